//! Writes damaged records of the current generation again, from the records that are left.
//!
//! The plan is made again anyway. The certificate is proven again. If the lock is damaged, or the environment fails the
//! proof, nothing is written, and a new generation is built.

use super::{
    Clock, InstallError, Machine, RecordsError, Request, build::unproven, machine::absent, prove, read_certificate,
    read_lock, read_plan, records::write_plan,
};
use crate::{
    certificate::{Certificate, Verdict},
    context::Context,
    names::causes::chain,
    plan::Plan,
    store::{Generation, RecordFile, drift::Fingerprint},
};

/// Returns the records of a generation that cannot be read.
pub(crate) fn damaged_records(generation: &Generation) -> Vec<RecordFile> {
    let mut damaged = generation.damaged_records();
    if !damaged.contains(&RecordFile::Certificate) && read_certificate(generation).is_err() {
        damaged.push(RecordFile::Certificate);
    }
    damaged
}

/// Formats the names of records for messages.
pub(crate) fn names(damaged: &[RecordFile]) -> String {
    let names: Vec<String> = damaged.iter().map(ToString::to_string).collect();
    names.join(", ")
}

/// Returns the certificate of a generation. If it cannot be read, returns one without a proof, made from the plan and the
/// lock, with a warning.
pub(crate) fn certificate_of(ctx: &Context, generation: &Generation) -> Result<Certificate, RecordsError> {
    let error = match read_certificate(generation) {
        Ok(certificate) => return Ok(certificate),
        Err(error) => error,
    };
    let (Ok(plan), Ok(lock)) = (read_plan(generation), read_lock(generation)) else {
        return Err(error);
    };
    let typed = generation.record.typed();
    let because = chain(&error);
    ctx.events
        .warn(format!("{because}; to prove it again: matenv install {typed}"));
    let machine = Machine::new(&ctx.settings, None, generation.record.cross);
    let (number, created) = (generation.number, generation.record.created.clone());
    Ok(unproven(
        ctx,
        &plan,
        &machine,
        &lock,
        number,
        &generation.prefix,
        created,
    ))
}

/// Writes the `damaged` records of `current` again, which was built from `plan`. Returns its certificate, or `None` if it
/// has to be built again. The environment must be locked.
pub(super) async fn heal(
    ctx: &Context,
    plan: &Plan,
    request: &Request,
    current: &Generation,
    damaged: &[RecordFile],
) -> Result<Option<Certificate>, InstallError> {
    let (env, names) = (&plan.env, names(damaged));
    let Ok(lock) = read_lock(current) else {
        ctx.events.warn(format!(
            "matenv's records of `{env}` are damaged ({names}): building it again"
        ));
        return Ok(None);
    };
    ctx.events.warn(format!(
        "matenv's records of `{env}` are damaged ({names}): writing them again"
    ));
    current.make_way(damaged)?;
    if damaged.contains(&RecordFile::Plan) {
        write_plan(plan, &current.prefix)?;
    }
    let read = read_certificate(current).ok();
    let is_lost = read.is_none();
    let certificate = read.unwrap_or_else(|| {
        let mut machine = request.machine.clone();
        machine.cross = current.record.cross;
        let (number, created) = (current.number, current.record.created.clone());
        unproven(ctx, plan, &machine, &lock, number, &current.prefix, created)
    });
    // Without its fingerprint, nobody knows whether its packages were changed.
    let is_unknown = damaged.contains(&RecordFile::Fingerprint);
    if !is_lost && !is_unknown {
        return Ok(Some(certificate));
    }
    let absent = absent(&ctx.settings, certificate.cross, plan);
    let clock = &mut Clock::new(ctx);
    let proof = prove(ctx, clock, plan, &current.prefix, &request.prove, absent).await?;
    let mut proven = certificate.clone();
    proof.clone().enter(&mut proven);
    if proven.verdict() != Verdict::Good {
        ctx.events.warn(format!("`{env}` has errors, so it is built again"));
        return Ok(None);
    }
    let certificate = proof.record(ctx, certificate, &current.prefix)?;
    if is_lost {
        current.record_proof(certificate.proven, certificate.ok)?;
    }
    if is_unknown {
        let written = Fingerprint::take(&current.prefix).and_then(|taken| match taken {
            Some(fingerprint) => fingerprint.write(&current.prefix),
            None => Ok(()),
        });
        if let Err(error) = written {
            ctx.events
                .warn(format!("changes in `{env}` will not be detected: {error}"));
        }
    }
    Ok(Some(certificate))
}
