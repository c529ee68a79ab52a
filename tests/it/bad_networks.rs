//! Connections that are cut or stall, servers that have too much to do, lie or redirect in a circle.

use matenv::packages::conda::pack::PackageBuilder;

use crate::support::{Busy, Channel, DEAD_INDEX, File, Index, Options, Ran, Ranges, TestEnv, Wheel, assert_error};

const APP: &str = "[[pypi]]\nrequirement = \"demo-app\"\nbecause = \"the demo\"\n";
const MB: usize = 1024 * 1024;

/// A wheel that matenv downloads itself, because it is larger than 32 MB.
fn large() -> Wheel {
    Wheel::new("demo-app", "1.0").padding(34 * MB)
}

fn small() -> Wheel {
    Wheel::new("demo-app", "1.0").padding(2 * MB)
}

fn index_of(wheel: Wheel, options: Options) -> Index {
    Index::pypi_with(&[File::from(wheel)], options)
}

/// Returns the names of the files in the folder of downloads, without the locks.
fn kept(env: &TestEnv) -> Vec<String> {
    let names = env.names_in(".matenv/downloads").into_iter();
    let names = names.map(|name| name.into_string().unwrap());
    names.filter(|name| !name.contains(".lock")).collect()
}

/// A conda package whose archive is larger than 8 MB.
fn large_tool() -> PackageBuilder {
    let noise = |number: u32| number.wrapping_mul(2_654_435_761).to_be_bytes();
    let noise: Vec<u8> = (0..3_000_000).flat_map(noise).collect();
    PackageBuilder::new("tool", "1.0", "0", "noarch").file("share/noise.bin", noise)
}

/// uv gives up after four cuts, and starts from the beginning each time.
#[test]
fn a_large_wheel_that_is_cut_again_and_again_arrives_once_and_stays_in_uvs_cache() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let options = Options {
        cut_after: Some(5 * MB),
        ..Options::default()
    };
    let index = index_of(large(), options);
    env.install_demo(&index.url(), &[])
        .exits(0)
        .says("was cut: continuing the download");
    let sent = index.sent();
    assert!((34 * MB..35 * MB).contains(&sent), "{sent} bytes were sent");
    assert_eq!(kept(&env), Vec::<String>::new());
    env.demo();

    // The cache is the same as after a download by uv: with the index, offline, and without matenv's own notes.
    index.requests();
    env.install_demo(&index.url(), &["--force"]).exits(0);
    env.install_demo(&index.url(), &["--force", "--offline"]).exits(0);
    fs_err::remove_dir_all(env.home().join(".matenv/state/cached-sets")).unwrap();
    env.install_demo(&index.url(), &["--force"]).exits(0);
    assert_eq!(index.fetched(), Vec::<String>::new());
    assert_eq!(unpacked(&env), 1, "copies of the wheel in uv's cache");
}

/// Returns how many times uv's cache contains the padding of the test's wheel.
fn unpacked(env: &TestEnv) -> usize {
    let files = crate::support::files_below(&env.path("uv-cache"));
    let is_large = |path: &&std::path::PathBuf| fs_err::metadata(path).is_ok_and(|file| file.len() > 30 * MB as u64);
    files.iter().filter(is_large).count()
}

#[test]
fn a_large_wheel_continues_in_the_next_run() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    // Each attempt brings too little to count as progress.
    let options = Options {
        cut_after: Some(MB / 5),
        ..Options::default()
    };
    let index = index_of(large(), options);
    assert_error!(env, "large_wheel_cut", env.install_demo(&index.url(), &[]).exits(4));
    assert_eq!(kept(&env).len(), 2, "a part and its validators");
    env.has_no_environment();
    let before = index.sent();
    let good = index_of(large(), Options::default());
    env.install_demo(&good.url(), &[]).exits(0);
    let sent = good.sent();
    let all = before + sent;
    assert!(
        before > MB / 2 && (34 * MB..35 * MB).contains(&all),
        "{before} and then {sent} bytes were sent"
    );
    assert_eq!(kept(&env), Vec::<String>::new());
}

/// A server that ignores ranges, sends another range, or has a new version each time is asked for the whole file.
#[test]
fn a_server_without_usable_ranges_sends_the_whole_file_again() {
    for ranges in [Ranges::Ignored, Ranges::Wrong] {
        let env = TestEnv::new().with_uv();
        env.manifest(APP);
        let half = Options {
            cut_after: Some(5 * MB),
            ..Options::default()
        };
        let wheel = large();
        let first = index_of(wheel.clone(), half);
        // The download is stopped in the middle.
        let mut child = env.spawn_demo_from("conda-forge=http://127.0.0.1:9/", &first.url(), &[]);
        while first.sent() == 0 {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let second = index_of(
            wheel,
            Options {
                ranges,
                ..Options::default()
            },
        );
        env.install_demo(&second.url(), &[]).exits(0);
        assert!(second.sent() >= 34 * MB, "{ranges:?}");
        env.demo();
    }
}

/// Parts of two versions of a file have the hash of neither.
#[test]
fn a_wheel_that_changes_during_its_download_is_not_put_together() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let options = Options {
        cut_after: Some(20 * MB),
        changes: true,
        ..Options::default()
    };
    let index = index_of(large(), options);
    assert_error!(env, "large_wheel_changes", env.install_demo(&index.url(), &[]).exits(4));
    env.has_no_environment();
}

#[test]
fn a_large_wheel_of_another_size_or_hash_is_refused_and_not_kept() {
    let wrong = |file: File| file.with_wrong_hash();
    for (name, options, file) in [
        (
            "large_wheel_short",
            Options {
                short: true,
                ..Options::default()
            },
            File::from(large()),
        ),
        ("large_wheel_wrong_hash", Options::default(), wrong(File::from(large()))),
    ] {
        let env = TestEnv::new().with_uv();
        env.manifest(APP);
        let index = Index::pypi_with(&[file], options);
        assert_error!(env, name, env.install_demo(&index.url(), &[]).exits(5));
        assert_eq!(kept(&env), Vec::<String>::new(), "{name}");
        env.has_no_environment();
    }
}

/// Wheels of an explicit index have a URL in the lock.
#[test]
fn a_large_wheel_of_the_torch_index_continues_and_stays_in_uvs_cache() {
    let env = TestEnv::new().with_uv();
    env.manifest("[[pypi]]\nrequirement = \"torch\"\nsource = \"torch\"\nbecause = \"direct\"\n");
    let options = Options {
        cut_after: Some(20 * MB),
        ..Options::default()
    };
    let torch = Index::serve(&[Wheel::new("torch", "2.9.0+cpu").padding(34 * MB)], options);
    let pypi = Index::serve(&[], Options::default());
    let mirror = format!("torch={}", torch.url());
    let more = ["--mirror", &mirror, "--no-verify"];
    env.install_demo(&pypi.url(), &more).exits(0);
    let sent = torch.sent();
    assert!((34 * MB..35 * MB).contains(&sent), "{sent} bytes were sent");
    torch.requests();
    env.install_demo(&pypi.url(), &[&more[..], &["--force"]].concat())
        .exits(0);
    env.install_demo(&pypi.url(), &[&more[..], &["--force", "--offline"]].concat())
        .exits(0);
    fs_err::remove_dir_all(env.home().join(".matenv/state/cached-sets")).unwrap();
    env.install_demo(&pypi.url(), &[&more[..], &["--force"]].concat())
        .exits(0);
    assert_eq!(torch.fetched(), Vec::<String>::new());
    assert_eq!(unpacked(&env), 1, "copies of the wheel in uv's cache");
}

#[test]
fn two_installations_at_once_download_a_large_wheel_once() {
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = index_of(large(), Options::default());
    let other = fs_err::read_to_string(env.path("manifests/demo.toml")).unwrap();
    fs_err::write(
        env.path("manifests/other.toml"),
        other.replace("name = \"demo\"", "name = \"other\""),
    )
    .unwrap();
    let mirror = format!("pypi={}", index.url());
    let folder = env.path("manifests");
    env.matenv(&[
        "install",
        "demo",
        "other",
        "--profile",
        "cpu",
        "--no-bench",
        "--mirror",
        &mirror,
        "--mirror",
        "conda-forge=http://127.0.0.1:9/",
        "--manifest-dir",
        folder.to_str().unwrap(),
    ])
    .exits(0);
    let sent = index.sent();
    // Both also read the end of the wheel, to check it.
    assert!(sent < 40 * MB, "{sent} bytes were sent");
}

/// Bug: it was requested by HTTP, which knows no files.
#[test]
fn a_large_conda_archive_in_a_folder_is_not_downloaded() {
    let env = TestEnv::new().with_uv();
    env.manifest("packages = [\"tool\"]\n");
    let channel = Channel::new(&env, &[large_tool()]);
    let mirror = format!("conda-forge=file://{}", channel.folder.display());
    // The index does not answer, but that is after the conda packages.
    env.install_demo_from(&mirror, DEAD_INDEX, &["--strict"])
        .exits(4)
        .says("✓ link     2 conda packages");
}

#[test]
fn a_large_conda_archive_that_is_cut_arrives_once_also_in_the_next_run() {
    let env = TestEnv::new().with_uv();
    env.manifest("packages = [\"tool\"]\n");
    let channel = Channel::new(&env, &[large_tool()]);
    let size = fs_err::metadata(channel.folder.join("noarch/tool-1.0-0.conda"))
        .unwrap()
        .len();
    let size = usize::try_from(size).unwrap();
    assert!(size > 8 * MB, "the archive has {size} bytes");
    let install = |options| {
        let http = Index::files_with(&channel.folder, options);
        let mirror = format!("conda-forge={}", http.root());
        (env.install_demo_from(&mirror, DEAD_INDEX, &["--strict"]), http.sent())
    };
    // Each attempt brings too little to count as progress.
    let (ran, before) = install(Options {
        cut_after: Some(MB / 5),
        ..Options::default()
    });
    ran.exits(4).says("failed to download `");
    let (ran, after) = install(Options {
        cut_after: Some(3 * MB),
        ..Options::default()
    });
    // The smaller archive of Python is sent as well, and begins again after each cut.
    assert!(
        before + after < size + 12 * MB,
        "{before} and then {after} of {size} bytes were sent: {ran}"
    );
    assert_eq!(kept(&env), Vec::<String>::new());
}

fn busy(path: &'static str, times: usize, status: &'static str, retry_after: &'static str) -> Options {
    Options {
        busy: Some(Busy {
            path,
            times,
            status,
            retry_after,
        }),
        ..Options::default()
    }
}

/// uv repeats a refused request at once, and then fails.
#[test]
fn a_busy_index_is_asked_again_when_it_says() {
    for (path, times) in [("/demo-app/", 6), (".whl", 6), ("/pip/", 2)] {
        let env = TestEnv::new().with_uv();
        env.manifest(APP);
        let index = Index::serve(&[small()], busy(path, times, "429 Too Many Requests", "1"));
        env.install_demo(&index.url(), &[]).exits(0).says_one_of(&[
            "the source `pypi` asks to wait 1 s: waiting",
            "`127.0.0.1` asks to wait 1 s: waiting",
        ]);
    }
    let env = TestEnv::new().with_uv();
    env.manifest(APP);
    let index = index_of(large(), busy(".whl", 3, "503 Service Unavailable", "2"));
    env.install_demo(&index.url(), &[])
        .exits(0)
        .says("the source `pypi` asks to wait 2 s: waiting");
}

/// Bug: this was exit code 3, as if the index did not have the package.
#[test]
fn an_index_that_stays_busy_is_a_source_that_does_not_answer() {
    for (name, path) in [
        ("busy_index", "/pip/"),
        ("busy_page", "/demo-app/"),
        ("busy_wheel", ".whl"),
    ] {
        let env = TestEnv::new().with_uv();
        env.manifest(APP);
        let index = Index::serve(&[small()], busy(path, usize::MAX, "429 Too Many Requests", "3600"));
        assert_error!(env, name, env.install_demo(&index.url(), &[]).exits(4));
        env.has_no_environment();
    }
}

#[test]
fn a_busy_channel_is_asked_again_when_it_says() {
    for path in ["repodata.json", "repodata.json.zst", ".conda"] {
        let env = TestEnv::new().with_uv();
        env.manifest(&format!("packages = [\"tool\"]\n{APP}"));
        let tool = PackageBuilder::new("tool", "1.0", "0", "noarch").file("share/tool", "tool");
        let channel = Channel::new(&env, &[tool]);
        let http = Index::files_with(&channel.folder, busy(path, 5, "429 Too Many Requests", "1"));
        let mirror = format!("conda-forge={}", http.root());
        let index = Index::serve(&[small()], Options::default());
        env.install_demo_from(&mirror, &index.url(), &["--strict"])
            .exits(0)
            .says("the source `conda-forge` asks to wait 1 s: waiting");
    }
}

/// Bug: a redirect in a circle was requested 117 times, and was exit code 5.
#[test]
fn a_redirect_in_a_circle_ends_after_ten_and_is_a_source_that_does_not_answer() {
    let redirects = |path| Options {
        loops: Some(path),
        ..Options::default()
    };
    // uv itself tries a small wheel four times. matenv also requests the end of the wheel, to check it.
    for (name, path, wheel, most) in [
        ("redirect_index", "/pip/", small(), 11),
        ("redirect_page", "/demo-app/", small(), 24),
        ("redirect_wheel", ".whl", small(), 88),
        ("redirect_large_wheel", ".whl", large(), 46),
    ] {
        let env = TestEnv::new().with_uv();
        env.manifest(APP);
        let index = index_with(wheel, redirects(path));
        let ran = env.install_demo(&index.url(), &[]).exits(4);
        at_most(&index, path, most, &ran);
        if name != "redirect_page" {
            assert_error!(env, name, ran);
        }
    }
    for path in ["repodata.json", ".conda"] {
        let env = TestEnv::new().with_uv();
        env.manifest("packages = [\"tool\"]\n");
        let channel = Channel::new(&env, &[large_tool()]);
        let http = Index::files_with(&channel.folder, redirects(path));
        let mirror = format!("conda-forge={}", http.root());
        let ran = env.install_demo_from(&mirror, DEAD_INDEX, &["--strict"]).exits(4);
        at_most(&http, path, 24, &ran);
    }
}

/// An index without JSON, whose size of a wheel is read from the wheel's server.
fn index_with(wheel: Wheel, options: Options) -> Index {
    Index::pypi_on_one_host(&[File::from(wheel)], options)
}

#[track_caller]
fn at_most(index: &Index, path: &str, most: usize, ran: &Ran) {
    let requests = index.requests();
    let is_looped = |request: &&String| request.split('?').next().unwrap_or_default().ends_with(path);
    let looped = requests.iter().filter(is_looped).count();
    assert!(looped <= most, "{looped} requests: {ran}");
}

/// Bug: a stall was not reported for 91 to 135 seconds.
#[test]
fn a_stall_is_reported_after_30_seconds_and_the_download_continues() {
    let stalls = Options {
        stalls_once_after: Some(MB),
        ..Options::default()
    };
    let threads = [large(), small()].map(|wheel| {
        std::thread::spawn(move || {
            let env = TestEnv::new().with_uv();
            env.manifest(APP);
            let index = index_with(wheel, stalls);
            let started = std::time::Instant::now();
            env.install_demo(&index.url(), &[]).exits(0).says_one_of(&[
                "the source `pypi` sent nothing for 30 s",
                "the index `pypi` sent nothing for 25 s",
            ]);
            assert!(started.elapsed().as_secs() >= 30);
        })
    });
    let channel = std::thread::spawn(|| {
        let env = TestEnv::new().with_uv();
        env.manifest("packages = [\"tool\"]\n");
        let tool = PackageBuilder::new("tool", "1.0", "0", "noarch").file("share/tool", "tool");
        let channel = Channel::new(&env, &[tool]);
        let stalls = Options {
            stalls_at: Some(".zst"),
            ..Options::default()
        };
        let http = Index::files_with(&channel.folder, stalls);
        let started = std::time::Instant::now();
        env.install_demo_from(&format!("conda-forge={}", http.root()), DEAD_INDEX, &["--strict"])
            .exits(4)
            .says("the channel `conda-forge` sent nothing for 30 s");
        assert!(started.elapsed().as_secs() < 150);
    });
    channel.join().unwrap();
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Wheels and conda packages, small and large, behind a proxy that cuts each fourth download.
#[test]
fn an_installation_survives_a_proxy_that_cuts_each_fourth_download() {
    let env = TestEnv::new().with_uv();
    env.manifest(&format!("packages = [\"tool\"]\n{APP}"));
    let cuts = Options {
        cuts_each: Some(4),
        ..Options::default()
    };
    let channel = Channel::new(&env, &[large_tool()]);
    let http = Index::files_with(&channel.folder, cuts);
    let mut wheels = vec![large()];
    for number in 0..8 {
        let name = format!("part-{number}");
        wheels[0] = wheels[0].clone().requires(&name);
        wheels.push(Wheel::new(&name, "1.0").padding(MB));
    }
    let index = Index::serve(&wheels, cuts);
    let mirror = format!("conda-forge={}", http.root());
    env.install_demo_from(&mirror, &index.url(), &["--strict"]).exits(0);
    env.demo();
}
