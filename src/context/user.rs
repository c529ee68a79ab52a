//! The name of the user who runs matenv, for records that people read. It proves nothing.

use super::settings::Settings;

/// Returns the user's name, or the user's number if the system knows no name.
#[must_use]
pub fn user_name(settings: &Settings) -> Option<String> {
    let of_variables = || {
        let name = ["USER", "LOGNAME", "USERNAME"]
            .into_iter()
            .find_map(|name| settings.variables.text(name));
        name.map(ToOwned::to_owned)
    };
    let name = system_name().or_else(of_variables)?;
    // The name is printed on terminals.
    Some(name.chars().filter(|letter| !letter.is_control()).collect())
}

#[cfg(unix)]
fn system_name() -> Option<String> {
    let user = nix::unistd::Uid::effective();
    match nix::unistd::User::from_uid(user) {
        Ok(Some(found)) => Some(found.name),
        // A container may run with a number that has no name.
        Ok(None) => Some(user.to_string()),
        Err(_) => None,
    }
}

/// Windows always sets `USERNAME`.
#[cfg(not(unix))]
fn system_name() -> Option<String> {
    None
}
