use comfy_table::{Table, presets};

use crate::{
    hardware::{Gpu, Hardware},
    text::style,
};

/// Renders a machine in a few lines for a terminal.
#[must_use]
pub(crate) fn render_machine(hardware: &Hardware) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (label, value) in rows(hardware) {
        table.add_row([label.to_owned(), value]);
    }
    let wrong = [&hardware.driver_problem, &hardware.driver_warning]
        .into_iter()
        .flatten();
    let mut lines: Vec<String> = wrong
        .map(|sentence| format!("{} {sentence}", style("!").yellow().bold()))
        .collect();
    lines.push(table.to_string());
    lines.join("\n")
}

fn rows(hardware: &Hardware) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    let mut row = |label, value: Option<String>| rows.extend(value.map(|value| (label, value)));
    row("machine", hardware.host.clone());
    row("platform", Some(platform(hardware)));
    let seen = hardware.visible_gpus();
    let is_seen = |gpu: &Gpu| seen.iter().flatten().any(|other| std::ptr::eq(*other, gpu));
    match hardware.gpus.as_deref() {
        None => row("gpu", Some("unknown".to_owned())),
        Some([]) => row("gpu", Some("none".to_owned())),
        Some(gpus) => {
            for gpu in gpus {
                row("gpu", Some(gpu_line(gpu, !gpu.is_nvidia() || is_seen(gpu))));
            }
        }
    }
    row("driver", driver(hardware));
    row(
        "visible",
        hardware
            .visible_devices
            .as_ref()
            .map(|list| format!("CUDA_VISIBLE_DEVICES={list:?}")),
    );
    row("cpu", cpu(hardware));
    row("memory", hardware.memory_bytes.map(binary));
    row("disk", disk(hardware));
    row(
        "libc",
        hardware
            .libc
            .as_ref()
            .map(|libc| format!("{} {}", libc.family, libc.version).trim().to_owned()),
    );
    row("runs in", runs_in(hardware));
    row("scheduler", hardware.scheduler.clone());
    for (name, value) in &hardware.environment {
        row("injected", value.as_ref().map(|value| format!("{name}={value}")));
    }
    rows
}

fn platform(hardware: &Hardware) -> String {
    let os = hardware.os.as_ref();
    let words = os.map(|os| [&os.name, &os.version, &os.kernel].map(Option::as_deref));
    let [name, version, kernel] = words.unwrap_or_default();
    let system: Vec<&str> = [name, version].into_iter().flatten().collect();
    let mut parts = vec![hardware.triple.clone()];
    parts.extend(Some(system.join(" ")).filter(|system| !system.is_empty()));
    parts.extend(kernel.map(|kernel| format!("kernel {kernel}")));
    parts.join(", ")
}

fn gpu_line(gpu: &Gpu, is_seen: bool) -> String {
    let name = gpu
        .name
        .clone()
        .unwrap_or_else(|| format!("{} GPU, unknown name", gpu.vendor));
    let mut parts = vec![name];
    parts.extend(gpu.mig.as_ref().map(|profile| format!("MIG {profile}")));
    parts.extend(gpu.memory_bytes.map(binary));
    parts.extend(gpu.compute_capability.map(|it| format!("compute capability {it}")));
    if !is_seen {
        parts.push("hidden by CUDA_VISIBLE_DEVICES".to_owned());
    }
    parts.join(", ")
}

fn driver(hardware: &Hardware) -> Option<String> {
    let driver = hardware
        .nvidia_driver
        .as_ref()
        .map(|version| format!("NVIDIA {version}"));
    let cuda = hardware
        .cuda_driver
        .as_ref()
        .map(|version| format!("serves CUDA {version}"));
    let parts: Vec<String> = driver.into_iter().chain(cuda).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn cpu(hardware: &Hardware) -> Option<String> {
    let cpu = hardware.cpu.as_ref()?;
    let mut parts: Vec<String> = cpu.model.clone().into_iter().collect();
    parts.extend(cpu.cores.map(|cores| format!("{cores} cores")));
    parts.extend(cpu.features.as_ref().map(|features| match features.as_slice() {
        [] => "no AVX".to_owned(),
        some => some.join(" "),
    }));
    Some(parts.join(", "))
}

fn disk(hardware: &Hardware) -> Option<String> {
    let disk = hardware.disk.as_ref()?;
    let parts: Vec<String> = [
        ("environments", disk.store_free_bytes),
        ("conda cache", disk.rattler_cache_free_bytes),
        ("uv cache", disk.uv_cache_free_bytes),
    ]
    .into_iter()
    .filter_map(|(what, free)| Some(format!("{} free for {what}", indicatif::DecimalBytes(free?))))
    .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn runs_in(hardware: &Hardware) -> Option<String> {
    let wsl = hardware
        .wsl
        .filter(|is| *is)
        .map(|_| "Windows Subsystem for Linux".to_owned());
    let container = hardware.container.as_ref().map(|kind| format!("a container ({kind})"));
    let parts: Vec<String> = container.into_iter().chain(wsl).collect();
    (!parts.is_empty()).then(|| parts.join(", in the "))
}

/// Formats a memory size. Memory is sold in powers of two.
fn binary(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_rendered_line_by_line() {
        let rig: Hardware = serde_json::from_str(
            r#"{ "schema": 1, "host": "hydra1", "triple": "x86_64-unknown-linux-gnu",
              "os": { "name": "ubuntu", "version": "24.04", "kernel": "6.8.0" },
              "libc": { "family": "glibc", "version": "2.39" }, "wsl": true, "container": "docker",
              "cpu": { "model": "AMD Ryzen 9 7950X", "cores": 32, "features": [ "avx", "avx2" ] },
              "memory_bytes": 68719476736, "disk": { "store_free_bytes": 500000000000, "uv_cache_free_bytes": 1000000000 },
              "gpus": [
                { "vendor": "nvidia", "name": "NVIDIA GeForce RTX 4090", "memory_bytes": 25757220864, "compute_capability": "8.9" },
                { "vendor": "nvidia", "name": "NVIDIA H100", "mig": "1g.10gb" }, { "vendor": "amd" } ],
              "visible_devices": "0", "scheduler": "slurm", "nvidia_driver": "580.65.06", "cuda_driver": "13.0",
              "driver_problem": "A reboot is due.", "environment": { "LD_LIBRARY_PATH": "/opt/cuda", "LD_PRELOAD": null } }"#,
        )
        .expect("a hardware file");
        let text = render_machine(&rig);
        let trimmed: Vec<&str> = text.lines().map(str::trim).collect();
        insta::assert_snapshot!(trimmed.join("\n"), @r#"
        ! A reboot is due.
        machine    hydra1
        platform   x86_64-unknown-linux-gnu, ubuntu 24.04, kernel 6.8.0
        gpu        NVIDIA GeForce RTX 4090, 23.99 GiB, compute capability 8.9
        gpu        NVIDIA H100, MIG 1g.10gb, hidden by CUDA_VISIBLE_DEVICES
        gpu        amd GPU, unknown name
        driver     NVIDIA 580.65.06, serves CUDA 13.0
        visible    CUDA_VISIBLE_DEVICES="0"
        cpu        AMD Ryzen 9 7950X, 32 cores, avx avx2
        memory     64.00 GiB
        disk       500.00 GB free for environments, 1.00 GB free for uv cache
        libc       glibc 2.39
        runs in    a container (docker), in the Windows Subsystem for Linux
        scheduler  slurm
        injected   LD_LIBRARY_PATH=/opt/cuda
        "#);
    }
}
