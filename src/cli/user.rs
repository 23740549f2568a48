//! The user of the operating system that runs a command, for the audit log.

use std::fs;

/// Returns the user's name, or its number where the system's list of users does not have it. Of root by `sudo`, also
/// the user that ran `sudo`.
pub(super) fn name() -> String {
    let id = rustix::process::getuid().as_raw();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = name_of(&users, id).unwrap_or_else(|| format!("user {id}"));
    match std::env::var("SUDO_USER") {
        Ok(caller) if id == 0 && caller != name => format!("{name} (sudo by {caller})"),
        _ => name,
    }
}

/// Returns the name of the user with this number in a list such as `/etc/passwd`.
fn name_of(users: &str, id: u32) -> Option<String> {
    users.lines().find_map(|line| {
        let mut columns = line.split(':');
        let name = columns.next()?;
        (columns.nth(1)?.parse::<u32>().ok()? == id && !name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\nana:x:1000:100::/home/ana:/bin/sh\n";
        assert_eq!(name_of(users, 1000).as_deref(), Some("ana"));
        assert_eq!(name_of(users, 0).as_deref(), Some("root"));
        assert_eq!(name_of(users, 100), None);
    }
}
