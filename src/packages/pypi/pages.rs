//! Local copies of an explicit index whose pages link to a mirrored host. uv follows the links itself and does not
//! know the mirrors, so it gets copies with changed links.

use url::Url;

use super::{PypiError, project::Project};
use crate::{
    context::{Context, sources::SourceName},
    names::requirement::package_of,
    net::NotAnswering,
    plan::Plan,
};

/// Returns the index for uv: `index` itself, or a folder with copies of its pages that link to the mirrors.
pub(super) async fn with_mirrors(
    ctx: &Context,
    plan: &Plan,
    name: SourceName,
    index: Url,
    files: &Project,
) -> Result<Url, PypiError> {
    let sources = &ctx.settings.sources;
    if !sources.has_prefix_mirrors() || ctx.settings.offline || index.scheme() == "file" {
        return Ok(index);
    }
    let mut pages = Vec::new();
    let mut differ = false;
    let mut failed = Vec::new();
    let of_index = plan.requirements.iter().filter(|wanted| wanted.source == name);
    for package in of_index.filter_map(|wanted| package_of(&wanted.requirement)) {
        let url = format!("{}/{package}/", index.as_str().trim_end_matches('/'));
        match ctx.client.text(&url).await {
            Ok(text) => {
                let mirrored = sources.mirrored_links(&text);
                differ |= mirrored != text;
                // The base for the relative links.
                pages.push((package, format!("<base href=\"{url}\">\n{mirrored}")));
            }
            Err(because) => failed.push((url, because)),
        }
    }
    if !differ {
        // uv has better error messages for a broken page.
        return Ok(index);
    }
    for (url, because) in failed {
        // 404 means that the index does not have the package. uv would treat any other failure the same way.
        if ctx.client.answers(&url).await != Err(NotAnswering::Status(404)) {
            return Err(PypiError::Unreachable {
                source_name: name,
                because,
            });
        }
    }
    let folder = files.folder().join(format!("{name}-pages"));
    for (package, text) in pages {
        let folder = folder.join(package);
        fs_err::create_dir_all(&folder).map_err(PypiError::Io)?;
        fs_err::write(folder.join("index.html"), text).map_err(PypiError::Io)?;
    }
    Url::from_directory_path(&folder).map_err(|()| PypiError::Answer(format!("{} has no URL", folder.display())))
}
