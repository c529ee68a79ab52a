//! The name of the user who runs matenv, for records that people read. It proves nothing.

use super::settings::Settings;

/// Returns the user's name, or the user's number if the system knows no name.
#[must_use]
pub fn user_name(settings: &Settings) -> Option<String> {
    let name = system_name().or_else(|| {
        let variables = ["USER", "LOGNAME", "USERNAME"].into_iter();
        variables
            .filter_map(|name| settings.variables.text(name))
            .next()
            .map(ToOwned::to_owned)
    });
    // The name is printed on terminals.
    let name = name.map(|name| name.chars().filter(|letter| !letter.is_control()).collect::<String>());
    name.filter(|name| !name.is_empty()).or_else(number)
}

#[cfg(unix)]
fn system_name() -> Option<String> {
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::effective());
    Some(user.ok()??.name)
}

#[cfg(unix)]
fn number() -> Option<String> {
    Some(rustix::process::geteuid().as_raw().to_string())
}

/// Windows always sets `USERNAME`.
#[cfg(not(unix))]
fn system_name() -> Option<String> {
    None
}

#[cfg(not(unix))]
fn number() -> Option<String> {
    None
}
