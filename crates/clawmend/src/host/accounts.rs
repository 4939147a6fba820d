//! Accounts of the machine, for people to read. Invariant: nothing is decided by a name.

/// The account's name, else its number. Accounts that are kept elsewhere (LDAP, macOS) show as numbers.
#[must_use]
pub fn name_of(uid: u32) -> String {
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    in_accounts(&accounts, uid).unwrap_or_else(|| uid.to_string())
}

/// `name:x:uid:…`
fn in_accounts(accounts: &str, uid: u32) -> Option<String> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| super::printable(name.as_bytes(), 64))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_number() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\nbroken\nclaw:x:1000:1000::/home/claw:/bin/sh\n";
        assert_eq!(in_accounts(accounts, 1000).as_deref(), Some("claw"));
        assert_eq!(in_accounts(accounts, 7), None);
    }
}
