//! Graphics cards on the PCI bus, as Linux lists them.

use std::path::Path;

use super::Gpu;

use crate::input::{self, Input};

/// The vendor of a graphics card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vendor {
    Nvidia,
    Amd,
    Intel,
}

/// A graphics card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Card {
    pub(super) vendor: Vendor,
    name: Option<String>,
}

impl Card {
    /// Returns the card as a GPU, except for NVIDIA cards: their driver reports more about them.
    pub(super) fn other_gpu(self) -> Option<Gpu> {
        let vendor = match self.vendor {
            Vendor::Nvidia => return None,
            Vendor::Amd => "amd",
            Vendor::Intel => "intel",
        };
        Some(Gpu {
            vendor: vendor.to_owned(),
            name: self.name,
            memory_bytes: None,
            compute_capability: None,
            mig: None,
            uuid: None,
            parent: None,
        })
    }
}

/// Lists the cards below `root`, in bus order. The list is empty if the system has no such folder.
pub(super) fn cards(root: &Path) -> Vec<Card> {
    let entries = fs_err::read_dir(root.join("sys/bus/pci/devices")).into_iter().flatten();
    let mut folders: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    folders.iter().filter_map(|folder| card(folder)).collect()
}

fn card(folder: &Path) -> Option<Card> {
    let read = |name: &str| {
        let text = input::read_text(&folder.join(name), Input::System).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    // 0x03 is the class of display controllers; 0x0380 and 0x0302 are cards without a screen.
    if !read("class")?.starts_with("0x03") {
        return None;
    }
    let vendor = match read("vendor")?.as_str() {
        "0x10de" => Vendor::Nvidia,
        "0x1002" => Vendor::Amd,
        "0x8086" => Vendor::Intel,
        _ => return None,
    };
    Some(Card {
        vendor,
        name: read("product_name"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_graphics_cards_are_listed() {
        let root = tempfile::tempdir().expect("a temp folder");
        for (slot, class, vendor, name) in [
            ("0000:00:02.0", "0x030000", "0x8086", ""),
            ("0000:00:1f.6", "0x020000", "0x8086", ""),
            ("0000:03:00.0", "0x038000", "0x1002", "AMD Radeon PRO W7900\n"),
            ("0000:65:00.0", "0x030200", "0x10de", ""),
        ] {
            let folder = root.path().join("sys/bus/pci/devices").join(slot);
            fs_err::create_dir_all(&folder).expect("made");
            fs_err::write(folder.join("class"), format!("{class}\n")).expect("written");
            fs_err::write(folder.join("vendor"), format!("{vendor}\n")).expect("written");
            fs_err::write(folder.join("product_name"), name).expect("written");
        }
        let found = cards(root.path());
        let vendors: Vec<_> = found.iter().map(|card| card.vendor).collect();
        assert_eq!(vendors, [Vendor::Intel, Vendor::Amd, Vendor::Nvidia]);
        let others: Vec<_> = found.into_iter().filter_map(Card::other_gpu).collect();
        assert_eq!(others[1].name.as_deref(), Some("AMD Radeon PRO W7900"));
        assert_eq!((others.len(), others[0].vendor.as_str()), (2, "intel"));
        assert_eq!(cards(&root.path().join("nowhere")), []);
    }
}
