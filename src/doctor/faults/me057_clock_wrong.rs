//! `certificate is not yet valid`, `certificate has expired`: the clock of this machine is wrong
//!
//! This machine's clock differs by more than five minutes from the clocks of the package sources.
//! Certificates are checked against it, and the dates of your recordings depend on it.
//!
//! Remedy: run `sudo timedatectl set-ntp true`. On Windows: Settings, Time, Sync now.

use crate::{
    doctor::host::HostFacts,
    finding::{Code, Finding, Scope, Severity},
};

/// Seconds by which a clock can differ without a finding.
const HARMLESS_S: i64 = 300;

pub(crate) fn detect(host: &HostFacts) -> Vec<Finding> {
    let off: Vec<_> = host
        .sources
        .iter()
        .filter_map(|source| Some((source, source.clock_ahead_s?)))
        .collect();
    // A single server can have a wrong clock itself.
    let all_differ = off.iter().all(|(_, ahead)| ahead.abs() > HARMLESS_S);
    let Some((_, ahead)) = off.first().filter(|_| all_differ) else {
        return Vec::new();
    };
    let which = if *ahead > 0 { "ahead" } else { "behind" };
    vec![
        Finding::new(
            Code::ClockWrong,
            Severity::Warning,
            Scope::Host,
            format!("this machine's clock is {} minutes {which}", ahead.abs() / 60),
        )
        .with_evidence(
            off.iter()
                .map(|(source, ahead)| format!("compared with {}: {ahead} s", source.name)),
        )
        .with_remedy("sudo timedatectl set-ntp true"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{
        host::SourceFacts,
        tests::{host, source},
    };

    #[test]
    fn the_clock_is_wrong_if_all_sources_say_so() {
        let of = |ahead: &[i64]| {
            let mut host = host();
            let facts = |ahead: &i64| SourceFacts {
                clock_ahead_s: Some(*ahead),
                ..source()
            };
            host.sources = ahead.iter().map(facts).collect();
            detect(&host).pop()
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[2, -200]), None);
        assert_eq!(of(&[4000, 1]), None);
        insta::assert_snapshot!(of(&[-4000, -4001]).expect("found").render(), @"
        [warning] ME057 this machine's clock is 66 minutes behind
          compared with pypi: -4000 s
          compared with pypi: -4001 s
          do: sudo timedatectl set-ntp true
        ");
    }
}
