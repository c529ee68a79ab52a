use serde::Deserialize;

/// The source of a distribution that was installed from a URL or a folder: its `direct_url.json` (PEP 610).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Origin {
    url: String,
    #[serde(default)]
    dir_info: Option<Folder>,
    #[serde(default)]
    vcs_info: Option<Repository>,
    #[serde(default)]
    subdirectory: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Folder {
    #[serde(default)]
    editable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Repository {
    vcs: String,
    commit_id: String,
}

impl Origin {
    /// Returns whether it is a folder or a repository, and not a wheel.
    #[must_use]
    pub fn is_source(&self) -> bool {
        self.dir_info.is_some() || self.vcs_info.is_some() || self.url.starts_with("file:")
    }

    /// Returns whether it is an editable install, which imports the source folder itself.
    #[must_use]
    pub fn is_editable(&self) -> bool {
        self.dir_info.as_ref().is_some_and(|folder| folder.editable)
    }

    /// Returns the URL in the form that installers accept, with the commit of a repository.
    #[must_use]
    pub fn url(&self) -> String {
        let whole = match &self.vcs_info {
            Some(repository) => format!("{}+{}@{}", repository.vcs, self.url, repository.commit_id),
            None => self.url.clone(),
        };
        match &self.subdirectory {
            Some(folder) => format!("{whole}#subdirectory={folder}"),
            None => whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Origin {
        serde_json::from_str(text).expect("an origin")
    }

    #[test]
    fn a_repository_is_named_with_its_commit_and_a_folder_may_be_edited() {
        let wheel = read(r#"{"url": "https://example.org/a-1-py3-none-any.whl", "archive_info": {}}"#);
        assert_eq!((wheel.is_source(), wheel.is_editable()), (false, false));
        let folder = read(r#"{"url": "file:///home/u/src/a", "dir_info": {"editable": true}}"#);
        assert_eq!((folder.is_source(), folder.is_editable()), (true, true));
        let repository = r#"{"url": "https://example.org/a.git", "vcs_info": {"vcs": "git", "commit_id": "0a1b"}}"#;
        let repository = read(repository);
        assert!(repository.is_source());
        assert_eq!(repository.url(), "git+https://example.org/a.git@0a1b");
        let below = r#"{"url": "https://example.org/a.git", "subdirectory": "python", "vcs_info": {"vcs": "git", "commit_id": "0a1b"}}"#;
        assert_eq!(
            read(below).url(),
            "git+https://example.org/a.git@0a1b#subdirectory=python"
        );
    }
}
