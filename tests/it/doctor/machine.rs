//! Findings about the machine.

use std::{
    os::unix::fs::PermissionsExt as _,
    process::{Child, Command, Stdio},
};

use crate::support::{Mount, Ran, TestEnv, skip};

use super::*;

#[test]
fn a_small_disk_a_noexec_disk_and_a_cache_on_another_disk_are_reported() {
    let env = TestEnv::new();
    let mounts = |env: &TestEnv| {
        let (home, cache) = (env.home().join(".matenv"), env.path("uv-cache"));
        fs_err::create_dir_all(&home).unwrap();
        vec![
            Mount::Disk(home, "size=60m,noexec"),
            Mount::Disk(cache, "size=10m,nr_inodes=90"),
        ]
    };
    let Some(env) = env.with_mounts(mounts) else { return };
    let found = doctor(&env, &["--json"], &[]).exits(6).json();
    let all = all(&found);
    for expected in ["ME051 warning", "ME051 error", "ME052 error", "ME054 info"] {
        assert!(all.contains(&expected.to_owned()), "{expected}: {found:#}");
    }
}

/// As on a cluster with a large disk, where each user may have 40,000 files.
#[test]
fn a_quota_counts_like_free_disk_space() {
    let env = TestEnv::new();
    let tools = env.path("tools");
    fs_err::create_dir_all(&tools).unwrap();
    let program = tools.join("quota");
    fs_err::write(
        &program,
        "#!/bin/sh\necho 'Disk quotas for user you (uid 1000): '\necho 'nfs:/home 1000 0 9000000 0 39990 0 40000 0'\nexit 1\n",
    )
    .unwrap();
    let mut permissions = fs_err::metadata(&program).unwrap().permissions();
    permissions.set_mode(0o755);
    fs_err::set_permissions(&program, permissions).unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let found = doctor(&env, &["--json"], &[("PATH", &path)]).exits(6).json();
    let full = one(&found, "ME051");
    assert!(
        full["message"]
            .as_str()
            .unwrap()
            .starts_with("the quota on the disk of "),
        "{found:#}"
    );
    assert!(evidence(&full).contains(", 10 files"), "{found:#}");
}

#[test]
fn the_channels_of_the_base_conda_and_a_conda_on_path_are_checked() {
    let env = TestEnv::new();
    let base = env.home().join("miniconda3");
    fs_err::create_dir_all(base.join("conda-meta")).unwrap();
    fs_err::create_dir_all(base.join("bin")).unwrap();
    fs_err::write(base.join("bin/conda"), "#!/bin/sh\n").unwrap();
    let found = doctor(&env, &["--json"], &[]).exits(0).json();
    assert!(
        one(&found, "ME058")["message"]
            .as_str()
            .unwrap()
            .contains("CondaToSNonInteractiveError")
    );
    fs_err::write(base.join(".condarc"), "channels: [conda-forge]\n").unwrap();
    let path = format!("{}:{}", base.join("bin").display(), std::env::var("PATH").unwrap());
    let found = doctor(&env, &["--json"], &[("PATH", &path)]).exits(0).json();
    assert!(
        !all(&found)
            .iter()
            .any(|line| line.starts_with("ME058") || line.starts_with("ME059")),
        "{found:#}"
    );
}

/// A TLS server with a certificate of its own issuer. Its clock is an hour late.
const SERVER: &str = "import http.server, ssl, sys, time\n\
    class Handler(http.server.BaseHTTPRequestHandler):\n\
    \x20   def date_time_string(self, timestamp=None): return super().date_time_string(time.time() - 3600)\n\
    \x20   def do_GET(self):\n\
    \x20       body = b'<a href=\"pip-1-py3-none-any.whl\">pip</a>'\n\
    \x20       self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers()\n\
    \x20       if self.command == 'GET': self.wfile.write(body)\n\
    \x20   do_HEAD = do_GET\n\
    \x20   def log_message(self, *words): pass\n\
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)\n\
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain(sys.argv[1], sys.argv[2])\n\
    server.socket = context.wrap_socket(server.socket, server_side=True)\n\
    print(server.server_address[1], flush=True)\n\
    server.serve_forever()\n";

struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_issuer_of_an_untrusted_certificate_is_named_and_a_wrong_clock_is_reported() {
    use std::io::BufRead as _;
    let env = TestEnv::new();
    let openssl = |arguments: &str| {
        let run = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(env.path("tmp"))
            .output();
        run.is_ok_and(|output| output.status.success())
    };
    fs_err::write(env.path("tmp/ext"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    let has_certificates =
        openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /O=Institute/CN=Proxy-CA")
            && openssl("req -newkey rsa:2048 -nodes -keyout key.pem -out request -subj /CN=127.0.0.1")
            && openssl(
                "x509 -req -in request -CA ca.pem -CAkey ca.key -CAcreateserial -out cert.pem -days 2 -extfile ext",
            );
    if !has_certificates {
        skip("there is no openssl");
        return;
    }
    let mut child = Command::new("python3")
        .args(["-c", SERVER])
        .args([env.path("tmp/cert.pem"), env.path("tmp/key.pem")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut port = String::new();
    std::io::BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut port)
        .unwrap();
    let _served = Served(child);
    let mirror = format!("pypi=https://127.0.0.1:{}/simple", port.trim());
    let mut arguments = vec!["doctor", "--json", "--mirror", &mirror];
    for dead in ["conda-forge", "torch", "nvidia"] {
        arguments.extend([
            "--mirror",
            Box::leak(format!("{dead}=http://127.0.0.1:9/x").into_boxed_str()),
        ]);
    }
    let found = env.matenv(&arguments).exits(6).json();
    assert_eq!(bad(&found), ["ME055 error"], "{found:#}");
    let message = one(&found, "ME055")["message"].as_str().unwrap().to_owned();
    assert_eq!(
        message,
        "the certificate of pypi is issued by Proxy-CA (Institute), which this machine does not trust"
    );
    let trusting = env
        .command(&arguments)
        .env("SSL_CERT_FILE", env.path("tmp/ca.pem"))
        .output()
        .unwrap();
    let found = Ran::from(trusting).exits(0).json();
    assert_eq!(bad(&found), ["ME057 warning"], "{found:#}");
    assert_eq!(one(&found, "ME055")["severity"], "info");
    assert_eq!(one(&found, "ME056")["severity"], "info");
    assert!(
        one(&found, "ME057")["message"]
            .as_str()
            .unwrap()
            .contains("minutes ahead")
    );
}

#[test]
fn unreachable_sources_are_reported_with_the_proxy_and_without_its_password() {
    let env = TestEnv::new();
    let mirrors = [
        "conda-forge=https://127.0.0.1:9",
        "pypi=http://127.0.0.1:9/simple",
        "torch=pypi",
        "nvidia=pypi",
    ];
    let mirrors = mirrors.iter().flat_map(|mirror| ["--mirror", mirror]);
    let arguments: Vec<&str> = ["doctor", "--json"].into_iter().chain(mirrors).collect();
    let proxy = "http://you:secret@127.0.0.1:9";
    let found: Ran = env
        .command(&arguments)
        .env("HTTPS_PROXY", proxy)
        .output()
        .unwrap()
        .into();
    let found = found.exits(0).json();
    let unreachable = one(&found, "ME064");
    assert_eq!(unreachable["severity"], "warning");
    assert_eq!(unreachable["message"], "conda-forge and pypi do not answer");
    assert!(
        evidence(&unreachable).contains("HTTPS_PROXY=http://127.0.0.1:9"),
        "{unreachable}"
    );
    assert!(!found.to_string().contains("secret"));
}
