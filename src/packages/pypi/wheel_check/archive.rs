//! Reads the list of files of a wheel and its small metadata files, without unpacking the rest.

use std::ops::Range;

use async_zip::{base::read::seek::ZipFileReader, error::ZipError};
use futures::io::{AsyncBufRead, AsyncReadExt as _, AsyncSeek};

use super::{Kind, Listing, Member};

/// Longest metadata file that is read, in bytes. The RECORD of torch has 2 MB.
const TEXT_LIMIT: u64 = 32 * 1024 * 1024;

/// Longest target of a link in bytes.
const TARGET_LIMIT: u64 = 4096;

/// Bits of a Unix mode: the mask of the kind, a link, a regular file and a folder.
const KIND: u16 = 0o170_000;
const LINK: u16 = 0o120_000;
const FILE: u16 = 0o100_000;
const FOLDER: u16 = 0o040_000;

/// An opened wheel: its list of files is read, its content is not.
pub(super) struct Opened<R> {
    zip: ZipFileReader<R>,
    size: u64,
    /// Indexes of the members whose content is needed.
    wanted: Vec<usize>,
}

impl<R: AsyncBufRead + AsyncSeek + Unpin> Opened<R> {
    /// Reads the list of files of an archive of `size` bytes.
    pub(super) async fn open(reader: R, size: u64) -> Result<Self, ZipError> {
        let zip = ZipFileReader::new(reader).await?;
        let wanted = |member: &Member| match member.kind {
            Kind::Link(_) => member.size <= TARGET_LIMIT,
            Kind::File => text_of(&member.path).is_some() && member.size <= TEXT_LIMIT,
            _ => false,
        };
        let members = members(&zip);
        let wanted = (0..members.len()).filter(|at| wanted(&members[*at])).collect();
        Ok(Self { zip, size, wanted })
    }

    /// Returns the ranges of the archive that [`Self::read`] will need, to request them together.
    pub(super) fn ranges(&self) -> Vec<Range<u64>> {
        let stored = self.zip.file().entries();
        let wanted = self.wanted.iter().filter_map(|at| stored.get(*at));
        wanted
            .map(|entry| {
                // The extra field of the local header may be longer than the one of the list.
                let length = entry.header_size() + entry.compressed_size() + 512;
                entry.header_offset()..(entry.header_offset() + length).min(self.size)
            })
            .collect()
    }

    pub(super) fn reader(&mut self) -> &mut R {
        self.zip.inner_mut()
    }

    /// Reads the metadata files and the targets of links.
    pub(super) async fn read(mut self) -> Result<Listing, ZipError> {
        let mut listing = Listing {
            size: self.size,
            members: members(&self.zip),
            ..Listing::default()
        };
        for at in self.wanted {
            let limit = listing.members[at].size;
            let mut bytes = Vec::new();
            let entry = self.zip.reader_without_entry(at).await?;
            entry.take(limit).read_to_end(&mut bytes).await?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let member = &mut listing.members[at];
            if let Kind::Link(target) = &mut member.kind {
                *target = Some(text);
                continue;
            }
            match text_of(&member.path) {
                Some(Text::Metadata) => listing.metadata = Some(text),
                Some(Text::EntryPoints) => listing.entry_points = Some(text),
                Some(Text::Record) => listing.record = Some(text),
                None => {}
            }
        }
        Ok(listing)
    }
}

fn members<R>(zip: &ZipFileReader<R>) -> Vec<Member>
where
    R: AsyncBufRead + AsyncSeek + Unpin,
{
    let entries = zip.file().entries().iter();
    entries
        .map(|entry| {
            let name = String::from_utf8_lossy(entry.filename().as_bytes()).into_owned();
            let mode = entry.unix_permissions().unwrap_or(0);
            let kind = match mode & KIND {
                LINK => Kind::Link(None),
                _ if name.ends_with('/') => Kind::Folder,
                0 | FILE | FOLDER => Kind::File,
                _ => Kind::Special,
            };
            Member {
                path: name.strip_suffix('/').map(str::to_owned).unwrap_or(name),
                kind,
                size: entry.uncompressed_size(),
                packed: entry.compressed_size(),
                checksum: entry.crc32(),
            }
        })
        .collect()
}

enum Text {
    Metadata,
    EntryPoints,
    Record,
}

/// Returns which metadata file `path` is.
fn text_of(path: &str) -> Option<Text> {
    let (folder, file) = path.split_once('/')?;
    if !folder.ends_with(".dist-info") {
        return None;
    }
    match file {
        "METADATA" => Some(Text::Metadata),
        "entry_points.txt" => Some(Text::EntryPoints),
        "RECORD" => Some(Text::Record),
        _ => None,
    }
}
