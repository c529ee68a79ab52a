//! Handles environments that are already up to date: nothing is built, and new evidence is collected in place.

use super::{
    Clock, InstallError, Installed, Prove, Request, build::create_conda_link, machine::absent, prove, read_certificate,
    records::write_plan,
};
use crate::{
    certificate::{Certificate, Verdict},
    context::Context,
    files::layout,
    install::lab_lock::is_of,
    lock::LabEntry,
    plan::Plan,
    store::{Generation, Store, StoreError, drift::Drift},
};

/// Returns the current generation if it matches the plan.
pub(super) fn is_up_to_date(
    store: &Store,
    plan: &Plan,
    entry: Option<&LabEntry>,
    request: &Request,
) -> Result<Option<Generation>, StoreError> {
    Ok(store.current(&plan.env)?.filter(|current| {
        // An environment for another machine is proven as far as possible here. That machine runs the rest.
        let cross = current.record.cross && (!request.prove.probes || was_probed(current));
        let enough = current.record.proven || cross || !request.prove.wanted();
        // With a lock, only the packages count, not the requirements they were installed for.
        let same = match entry {
            Some(entry) => current.record.profile == plan.profile && is_of(entry, current),
            None => current.record.plan_fingerprint == plan.fingerprint(),
        };
        // An environment whose Python does not start is useless.
        let starts = || which::which(layout::python(&current.prefix)).is_ok();
        !request.force && !request.upgrade && same && enough && starts()
    }))
}

fn was_probed(generation: &Generation) -> bool {
    let certificate = Certificate::read(&generation.env, &generation.prefix);
    certificate.is_ok_and(|certificate| !certificate.verification.probes.is_empty())
}

/// Returns the certificate of the current generation if it matches the plan.
pub(super) async fn nothing_to_do(
    ctx: &Context,
    store: &Store,
    plan: &Plan,
    entry: Option<&LabEntry>,
    request: &Request,
) -> Result<Option<Installed>, InstallError> {
    let Some(current) = is_up_to_date(store, plan, entry, request)? else {
        return Ok(None);
    };
    let mut certificate = read_certificate(&current)?;
    if let Some(drift) = Drift::detect(&current) {
        ctx.events.warn(drift.sentence(&current));
    }
    create_conda_link(ctx, &mut certificate);
    // The files of an editable folder may have changed. Their earlier proof is not valid then.
    let other_files = certificate.source != plan.source;
    // This is the machine that the environment was created for.
    let arrived = current.record.cross && !request.machine.cross;
    if request.prove.model_dir.is_some() || other_files || arrived {
        certificate.source.clone_from(&plan.source);
        certificate.proven &= !other_files || request.prove.probes;
        if arrived {
            certificate.cross = false;
            certificate.hardware.clone_from(&request.machine.hardware);
            certificate.plan.choices.clone_from(&plan.choices);
        }
        // A trained model is new evidence: its smoke tests run even if the environment stays as it is.
        let again = Prove {
            probes: (other_files || arrived) && request.prove.probes,
            bench: arrived && request.prove.bench,
            ..request.prove.clone()
        };
        let absent = absent(&ctx.settings, certificate.cross, plan);
        let proof = prove(ctx, &mut Clock::new(ctx), plan, &current.prefix, &again, absent).await?;
        if arrived {
            // A failure is reported, and the environment still counts as created for another machine.
            proof.enter(&mut certificate);
            if certificate.verdict() == Verdict::Good && certificate.proven {
                write_plan(plan, &current.prefix)?;
                certificate.write(&current.prefix)?;
                current.record_arrival(certificate.proven, certificate.ok)?;
            }
        } else {
            certificate = proof.record(ctx, certificate, &current.prefix)?;
        }
    }
    Ok(Some(Installed {
        certificate,
        changed: false,
    }))
}
