//! The GPUs that are visible to CUDA programs.

use super::{Gpu, Hardware};

impl Hardware {
    /// Returns the NVIDIA GPUs that CUDA programs see, in the order in which they number them. `None` if the GPUs
    /// are unknown.
    ///
    /// `CUDA_VISIBLE_DEVICES` selects GPUs by index or by the beginning of an identifier. Entries after an
    /// invalid one are ignored. Indices follow the driver's order, as with `CUDA_DEVICE_ORDER=PCI_BUS_ID`. The
    /// index or identifier of a GPU with MIG slices selects its first slice.
    /// <https://docs.nvidia.com/datacenter/tesla/mig-user-guide/#cuda-device-enumeration>
    #[must_use]
    pub fn visible_gpus(&self) -> Option<Vec<&Gpu>> {
        let all: Vec<&Gpu> = self.gpus.as_ref()?.iter().filter(|gpu| gpu.is_nvidia()).collect();
        let Some(wanted) = &self.visible_devices else {
            return Some(all);
        };
        let mut seen: Vec<&Gpu> = Vec::new();
        for entry in wanted.split(',') {
            match pick(&all, entry.trim()) {
                // A repeated GPU ends the list too.
                Some(gpu) if !seen.iter().any(|known| std::ptr::eq(*known, gpu)) => seen.push(gpu),
                _ => break,
            }
        }
        Some(seen)
    }
}

/// Returns the GPU of an entry. `None` for `-1`, `NoDevFiles`, an empty entry, and the beginning of several
/// identifiers.
fn pick<'a>(all: &[&'a Gpu], entry: &str) -> Option<&'a Gpu> {
    if let Ok(index) = entry.parse::<usize>() {
        let mut cut: Vec<&str> = Vec::new();
        let mut wholes = all.iter().copied().filter(|gpu| match gpu.parent.as_deref() {
            Some(parent) if cut.contains(&parent) => false,
            parent => {
                cut.extend(parent);
                true
            }
        });
        return wholes.nth(index);
    }
    if !entry.starts_with("GPU-") && !entry.starts_with("MIG-") {
        return None;
    }
    let names = |gpu: &Gpu| [gpu.uuid.clone(), gpu.parent.clone()].into_iter().flatten();
    let mut fitting: Vec<String> = all
        .iter()
        .flat_map(|gpu| names(gpu))
        .filter(|name| name.starts_with(entry))
        .collect();
    fitting.sort();
    fitting.dedup();
    let matched = fitting
        .iter()
        .find(|name| *name == entry)
        .or(match fitting.as_slice() {
            [only] => Some(only),
            _ => None,
        })?;
    all.iter().copied().find(|gpu| names(gpu).any(|name| name == *matched))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rig(visible: Option<&str>) -> Hardware {
        let mut rig: Hardware = serde_json::from_str(
            r#"{"schema": 1, "triple": "x86_64-unknown-linux-gnu", "gpus": [
                {"vendor": "intel"},
                {"vendor": "nvidia", "uuid": "GPU-aa11"},
                {"vendor": "nvidia", "uuid": "GPU-aa22"},
                {"vendor": "nvidia", "uuid": "MIG-1111", "mig": "1g.10gb"},
                {"vendor": "nvidia", "uuid": "MIG-2222", "mig": "2g.20gb"}]}"#,
        )
        .expect("a hardware file");
        rig.visible_devices = visible.map(ToOwned::to_owned);
        rig
    }

    fn seen(visible: Option<&str>) -> Vec<String> {
        let rig = rig(visible);
        let gpus = rig.visible_gpus().expect("known");
        gpus.iter().filter_map(|gpu| gpu.uuid.clone()).collect()
    }

    #[test]
    fn unset_shows_every_nvidia_gpu() {
        assert_eq!(seen(None), ["GPU-aa11", "GPU-aa22", "MIG-1111", "MIG-2222"]);
    }

    #[test]
    fn an_empty_list_and_its_synonyms_hide_all() {
        for nothing in ["", "-1", "NoDevFiles", "none", " "] {
            assert_eq!(seen(Some(nothing)), Vec::<String>::new(), "{nothing:?}");
        }
    }

    #[test]
    fn indices_count_nvidia_gpus_in_the_given_order() {
        assert_eq!(seen(Some("1,0")), ["GPU-aa22", "GPU-aa11"]);
        assert_eq!(seen(Some(" 0 , 2 ")), ["GPU-aa11", "MIG-1111"]);
    }

    #[test]
    fn the_list_ends_at_the_first_wrong_entry() {
        assert_eq!(seen(Some("1,-1,0")), ["GPU-aa22"]);
        assert_eq!(seen(Some("0,9,1")), ["GPU-aa11"]);
        assert_eq!(seen(Some("0,0,1")), ["GPU-aa11"]);
        assert_eq!(seen(Some("0,,1")), ["GPU-aa11"]);
        assert_eq!(seen(Some("GPU-zz,0")), Vec::<String>::new());
    }

    #[test]
    fn identifiers_may_be_shortened_if_they_stay_unique() {
        assert_eq!(seen(Some("GPU-aa2")), ["GPU-aa22"]);
        assert_eq!(seen(Some("GPU-aa")), Vec::<String>::new());
    }

    #[test]
    fn a_mig_identifier_selects_the_slice() {
        assert_eq!(seen(Some("MIG-2222")), ["MIG-2222"]);
        assert_eq!(seen(Some("MIG-1,GPU-aa1")), ["MIG-1111", "GPU-aa11"]);
    }

    /// Regression: Slurm names the whole card, and the environment was then planned for the CPU.
    #[test]
    fn the_identifier_of_a_card_with_slices_shows_the_first() {
        let mut rig: Hardware = serde_json::from_str(
            r#"{"schema": 1, "triple": "x86_64-unknown-linux-gnu", "gpus": [
                {"vendor": "nvidia", "uuid": "MIG-1111", "mig": "1g.10gb", "parent": "GPU-cc33"},
                {"vendor": "nvidia", "uuid": "MIG-2222", "mig": "2g.20gb", "parent": "GPU-cc33"},
                {"vendor": "nvidia", "uuid": "GPU-dd44"}]}"#,
        )
        .expect("a hardware file");
        for (visible, expected) in [
            ("GPU-cc33", &["MIG-1111"][..]),
            ("GPU-c", &["MIG-1111"]),
            ("GPU-", &[]),
            ("0", &["MIG-1111"]),
            ("1,0", &["GPU-dd44", "MIG-1111"]),
            ("2", &[]),
            ("MIG-2222,GPU-dd44", &["MIG-2222", "GPU-dd44"]),
        ] {
            rig.visible_devices = Some(visible.to_owned());
            let gpus = rig.visible_gpus().expect("known");
            let seen: Vec<_> = gpus.iter().filter_map(|gpu| gpu.uuid.as_deref()).collect();
            assert_eq!(seen, expected, "{visible}");
        }
    }

    #[test]
    fn unknown_gpus_stay_unknown() {
        let mut rig = rig(Some("0"));
        rig.gpus = None;
        assert_eq!(rig.visible_gpus(), None);
    }
}
