//! What became of the workspace, in words for people.

use super::{GaveBack, KeptBack, LeftOut, Pulled, PulledTo, Pushed, PushedTo, Why};

/// Files that are named at most.
const NAMED: usize = 5;

/// What a pull came to.
#[must_use]
pub fn pulled(pulled: &Pulled) -> String {
    let now = match &pulled.to {
        PulledTo::Nothing => "nothing was pushed yet; the files here stay".to_owned(),
        PulledTo::Known(commit) => format!("it is at {} already", short(commit)),
        PulledTo::Brought(commit) => format!("brought to {}", short(commit)),
    };
    let now = match &pulled.not_fetched {
        Some(why) => format!("{now}, which was fetched before: {why}"),
        None => now,
    };
    match &pulled.kept {
        Some(branch) => format!("{now}; what was here is kept on the branch {branch}"),
        None => now,
    }
}

/// What was given back.
#[must_use]
pub fn gave(gave: &GaveBack) -> String {
    let now = match &gave.branch {
        Some(branch) => format!("what was written here is on the branch {branch}; merge it on the primary"),
        None => "nothing was written here".to_owned(),
    };
    let now = match gave.earlier.as_slice() {
        [] => now,
        earlier => format!("{now}; what an earlier takeover wrote is on {}", earlier.join(", ")),
    };
    now + &left_out(&gave.left_out, gave.left_out_more) + &kept_back(gave.kept_back.as_ref())
}

/// What a push came to.
#[must_use]
pub fn pushed(pushed: &Pushed) -> String {
    let now = match &pushed.to {
        PushedTo::Nothing => "there is nothing to push yet".to_owned(),
        PushedTo::Known | PushedTo::Branch => "pushed".to_owned(),
        PushedTo::Merged => "merged with what others pushed, and pushed".to_owned(),
        PushedTo::Side { branch, why } => format!("pushed to the branch {branch}, for you to merge: {why}"),
    };
    now + &left_out(&pushed.left_out, pushed.left_out_more) + &kept_back(pushed.kept_back.as_ref())
}

fn left_out(left_out: &[LeftOut], more: usize) -> String {
    if left_out.is_empty() {
        return String::new();
    }
    let named: Vec<String> = left_out.iter().take(NAMED).map(|one| format!("{} ({})", one.path, one.why)).collect();
    let more = left_out.len().saturating_sub(NAMED).saturating_add(more);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("; left out: {}{more}", named.join(", "))
}

fn kept_back(kept_back: Option<&KeptBack>) -> String {
    let Some(KeptBack { commit, what: LeftOut { path, why } }) = kept_back else { return String::new() };
    let (stay, by_hand) = (short(commit), "commit what is open, then `git pull` and `git push`");
    if *why == Why::TooMuch {
        return format!(
            "; the commits up to {stay} stay here, their files went: they are {why}; to have them there, {by_hand}"
        );
    }
    format!(
        "; the commits up to {stay} stay here, their files went: {path} in one of them ({why}); take it out of all of them \
         (`git rebase --interactive`), or, if it may be there, {by_hand}"
    )
}

fn short(commit: &str) -> &str {
    commit.get(..8).unwrap_or(commit)
}

#[cfg(test)]
mod tests {
    use super::super::{Apart, Retry};
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_became_of_it_is_said() {
        let secret = LeftOut { path: ".env".into(), why: Why::Named };
        let pushed = Pushed {
            commit: None,
            to: PushedTo::Side { branch: "clawmend/vps-x".into(), why: Apart::Conflict },
            left_out: vec![secret; 7],
            left_out_more: 2,
            kept_back: None,
            unfinished: None,
            followed: true,
        };
        let named = ".env (named like a secret)";
        let five = [named; 5].join(", ");
        assert_eq!(
            super::pushed(&pushed),
            format!(
                "pushed to the branch clawmend/vps-x, for you to merge: both sides changed the same place of a file; left out: {five} and 4 more"
            )
        );
        let kept_back = |path: &str, why| {
            let what = LeftOut { path: path.into(), why };
            let kept_back = Some(KeptBack { commit: "0123456789abcdef".into(), what });
            let (left_out, left_out_more) = (Vec::new(), 0);
            Pushed { to: PushedTo::Known, left_out, left_out_more, kept_back, ..pushed.clone() }
        };
        assert_eq!(
            super::pushed(&kept_back("notes.md", Why::HoldsSecret)),
            "pushed; the commits up to 01234567 stay here, their files went: notes.md in one of them (holds a credential); \
             take it out of all of them (`git rebase --interactive`), or, if it may be there, commit what is \
             open, then `git pull` and `git push`"
        );
        assert_eq!(
            super::pushed(&kept_back("", Why::TooMuch)),
            "pushed; the commits up to 01234567 stay here, their files went: they are more than can be looked through; to \
             have them there, commit what is open, then `git pull` and `git push`"
        );
        let pulled = |not_fetched| {
            let (to, kept) = (PulledTo::Brought("0123456789abcdef".into()), Some("clawmend/local-x".into()));
            super::pulled(&Pulled { to, kept, not_fetched })
        };
        assert_eq!(pulled(None), "brought to 01234567; what was here is kept on the branch clawmend/local-x");
        assert_eq!(
            pulled(Some(Retry::TooSlow(Duration::from_secs(15)))),
            "brought to 01234567, which was fetched before: git on the workspace took longer than 15 s; what was here is kept \
             on the branch clawmend/local-x"
        );
        let gave = GaveBack {
            branch: Some("clawmend/vps".into()),
            earlier: Vec::new(),
            failed: None,
            left_out: Vec::new(),
            left_out_more: 0,
            kept_back: None,
        };
        assert_eq!(super::gave(&gave), "what was written here is on the branch clawmend/vps; merge it on the primary");
    }
}
