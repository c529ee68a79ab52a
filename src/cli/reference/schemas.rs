//! JSON Schemas of the files that matenv reads and writes.

use std::fmt;

use schemars::{Schema, generate::SchemaSettings};

use crate::{
    certificate::Certificate,
    manifest::{self, lab},
    profile::Profile,
};

/// A file type that has a schema.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Document {
    /// A manifest, `manifests/*.toml`
    #[default]
    Manifest,
    /// A profile, `profiles/*.toml`
    Profile,
    /// A lab's recipe, `matenv.toml`
    Lab,
    /// A certificate, printed by `install --json` and `report --json`
    Certificate,
}

impl Document {
    /// All file types.
    pub const ALL: [Self; 4] = [Self::Manifest, Self::Profile, Self::Lab, Self::Certificate];

    /// Returns the JSON Schema, in draft 7: the newest draft that TOML editors support.
    #[must_use]
    pub fn schema(self) -> Schema {
        let settings = SchemaSettings::draft07();
        match self {
            Self::Manifest => manifest::schema(settings.into_generator()),
            Self::Profile => settings.into_generator().into_root_schema_for::<Profile>(),
            Self::Lab => lab::schema(settings.into_generator()),
            Self::Certificate => settings
                .for_serialize()
                .into_generator()
                .into_root_schema_for::<Certificate>(),
        }
    }

    /// Returns the schema as the text of a file.
    pub(super) fn text(self) -> String {
        // A schema is already JSON, so this cannot fail.
        serde_json::to_string_pretty(&self.schema()).unwrap_or_default() + "\n"
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Manifest => "manifest",
            Self::Profile => "profile",
            Self::Lab => "lab",
            Self::Certificate => "certificate",
        })
    }
}
