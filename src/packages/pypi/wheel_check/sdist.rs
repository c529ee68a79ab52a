//! Checks an sdist before uv unpacks and builds it. The build runs code of the sdist, which is pinned by its hash.

use std::io;

use flate2::read::MultiGzDecoder;
use tar::{Archive, EntryType};

use super::{
    UnsafeWheel, WheelProblem,
    before::has_locked_hash,
    rules::{Target, bomb},
};
use crate::{
    lock::LockedWheel,
    packages::{
        path_rules::{PathRules, printable, stays_inside},
        unpacked_size::{self, Unpacked},
    },
};

/// Checks the sdist with these `bytes`. The inner error means that it is not a readable `.tar.gz`.
pub(super) fn check(wheel: &LockedWheel, bytes: &[u8], target: Target) -> Result<io::Result<()>, UnsafeWheel> {
    if !has_locked_hash(wheel, bytes) {
        return Err(UnsafeWheel::whole(wheel, WheelProblem::Hash));
    }
    let size = bytes.len() as u64;
    match unpacked_size::count_tar(MultiGzDecoder::new(bytes), unpacked_size::limit(size)) {
        Ok(Unpacked::Bytes(_)) => {}
        Ok(Unpacked::TooLarge) => return Err(bomb(wheel, size)),
        Err(error) => return Ok(Err(error)),
    }
    let mut archive = Archive::new(MultiGzDecoder::new(bytes));
    let members = match members(&mut archive) {
        Ok(members) => members,
        Err(error) => return Ok(Err(error)),
    };
    let rules = PathRules {
        windows: target.windows,
    };
    let mut links: Vec<String> = Vec::new();
    for Member { path, kind, link } in members {
        let refuse = |problem: WheelProblem| UnsafeWheel::at(wheel, &path, problem);
        let place = rules.check(&path).map_err(|problem| refuse(problem.into()))?;
        let mut above = place.rmatch_indices('/').map(|(end, _)| &place[..end]);
        if let Some(link) = above.find(|folder| links.iter().any(|link| link == folder)) {
            let file = printable(link);
            return Err(refuse(WheelProblem::BelowFile { file }));
        }
        match kind {
            EntryType::Char | EntryType::Block | EntryType::Fifo => return Err(refuse(WheelProblem::SpecialFile)),
            EntryType::Symlink | EntryType::Link => {
                let is_link = |path: &str| links.iter().any(|link| link == path);
                // A hard link names a path of the archive, a symbolic link one beside itself.
                let inside = if kind == EntryType::Link {
                    rules.check(&link).is_ok()
                } else {
                    stays_inside(&place, &link, is_link)
                };
                if !inside {
                    let target = printable(&link);
                    return Err(refuse(WheelProblem::OutsideLink { target }));
                }
                links.push(place);
            }
            _ => {}
        }
    }
    Ok(Ok(()))
}

/// An entry of an sdist.
struct Member {
    path: String,
    kind: EntryType,
    link: String,
}

fn members(archive: &mut Archive<impl io::Read>) -> io::Result<Vec<Member>> {
    let mut members = Vec::new();
    for entry in archive.entries()? {
        let entry = entry?;
        let link = entry.link_name_bytes().unwrap_or_default();
        members.push(Member {
            path: String::from_utf8_lossy(&entry.path_bytes()).into_owned(),
            kind: entry.header().entry_type(),
            link: String::from_utf8_lossy(&link).into_owned(),
        });
    }
    Ok(members)
}
