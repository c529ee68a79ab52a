//! Hostile sdists: each is refused before it is built.

use flate2::{Compression, write::GzEncoder};
use tar::{EntryType, Header};

use super::Hostile;
use crate::support::{File, Index, Options, Sdist};

const BUILD: &str = "[[build]]\npackage = \"evil\"\nrequires = [\"tiny-backend\"]\nbecause = \"no wheel\"\n";

/// An entry of an sdist: kind, path, target of a link, and size.
type Added = (EntryType, &'static str, &'static str, usize);

/// Returns the sdist `evil` with further entries.
fn sdist(added: &[Added]) -> File {
    let healthy = Sdist::new("evil", "1.0");
    let mut bytes = Vec::new();
    let mut archive = tar::Builder::new(&mut bytes);
    let healthy_bytes = healthy.bytes();
    let mut old = tar::Archive::new(flate2::read::GzDecoder::new(healthy_bytes.as_slice()));
    for entry in old.entries().unwrap() {
        let entry = entry.unwrap();
        archive.append(&entry.header().clone(), entry).unwrap();
    }
    for (kind, path, target, size) in added {
        let mut header = Header::new_gnu();
        let fields = header.as_gnu_mut().unwrap();
        fields.name[..path.len()].copy_from_slice(path.as_bytes());
        fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_size(*size as u64);
        header.set_cksum();
        archive.append(&header, vec![0; *size].as_slice()).unwrap();
    }
    archive.finish().unwrap();
    drop(archive);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    std::io::Write::write_all(&mut encoder, &bytes).unwrap();
    File::from(healthy).with_bytes(encoder.finish().unwrap())
}

/// uv reads the metadata of an sdist when it resolves, so it is the first to refuse some of them.
#[test]
fn sdists_that_leave_their_folder_are_refused() {
    let hostile = Hostile::of_wheels(&[], BUILD);
    let cases: &[(Added, &[&str])] = &[
        ((EntryType::Regular, "../evil", "", 1), &["contains `..`"]),
        ((EntryType::Regular, "/tmp/evil", "", 1), &["is an absolute path"]),
        (
            (EntryType::Symlink, "evil-1.0/link", "/etc/passwd", 0),
            &["is a link to `/etc/passwd`, outside the package"],
        ),
        (
            (EntryType::Link, "evil-1.0/link", "../../../outside/file", 0),
            &["is a link to `../../../outside/file`, outside the package"],
        ),
        (
            (EntryType::Char, "evil-1.0/device", "", 0),
            &["is a device, a pipe or a socket"],
        ),
        (
            (EntryType::Fifo, "evil-1.0/pipe", "", 0),
            &["is a device, a pipe or a socket"],
        ),
        (
            (EntryType::Regular, "evil-1.0/zeros", "", 80 * 1024 * 1024),
            &["it unpacks to more than"],
        ),
    ];
    for (added, texts) in cases {
        let index = Index::pypi_on_one_host(&[sdist(&[*added]), Sdist::backend().into()], Options::default());
        let channel = hostile.channel.mirror();
        let ran = hostile.env.install_demo_from(&channel, &index.url(), &["--strict"]);
        let ran = ran.exits(5).says("pypi::unsafe_package");
        let _ = ran.says_one_of(&[*texts, &["uv refuses a package"]].concat());
        hostile.nothing_changed();
        hostile.env.has_no_environment();
    }
}

#[test]
fn a_healthy_sdist_is_built() {
    let hostile = Hostile::of_wheels(&[], BUILD);
    let link = (EntryType::Symlink, "evil-1.0/link", "name.txt", 0);
    let index = Index::pypi_on_one_host(&[sdist(&[link]), Sdist::backend().into()], Options::default());
    let channel = hostile.channel.mirror();
    hostile
        .env
        .install_demo_from(&channel, &index.url(), &["--strict"])
        .exits(0);
    hostile.nothing_changed();
}
