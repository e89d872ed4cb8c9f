//! Who may sign in with NTLM, and what guesses with it cost.

use std::net::IpAddr;
use std::time::Duration;

use negotiate::NtHash;
use site::{Actor, NewUser, Role, SignIn, Site, StatusFilter, UserChange};

use crate::stage::{PASSWORD, admin, code};

const FROM: &str = "192.0.2.7";

fn from() -> Option<IpAddr> {
    Some(FROM.parse().unwrap())
}

async fn add(site: &Site, name: &str, allow_ntlm: bool) {
    let new = NewUser { name, password: "first horse", role: Role::Operator, scopes: &[], allow_ntlm };
    site.add_user(&admin(), new).await.unwrap();
}

/// Signs in as a client with this password does.
async fn sign_in(site: &Site, name: &str, password: &str) -> site::Result<Actor> {
    site.authenticate_ntlm(name, from(), |hash| *hash == NtHash::of_password(password)).await
}

fn change() -> UserChange {
    UserChange::default()
}

on_both! {
    async fn only_marked_users_sign_in_with_ntlm(stage: &Stage) {
        let site = &stage.site;
        add(site, "plain", false).await;
        add(site, "marked", true).await;
        let actor = sign_in(site, "MARKED", "first horse").await.unwrap();
        assert!(matches!(actor.sign_in, SignIn::Ntlm(_)));
        assert_eq!((actor.name.as_str(), actor.role), ("marked", Role::Operator));
        let long = "n".repeat(5000);
        for (name, password) in [
            ("marked", "wrong"),
            ("plain", "first horse"),
            ("plain", ""),
            ("nobody", ""),
            ("no\0body", ""),
            ("", ""),
            (&long, ""),
        ] {
            assert_eq!(code(sign_in(site, name, password).await), "invalid_credentials", "{name:.20}");
        }
        let marked: Vec<_> = site.users().await.unwrap().into_iter().filter(|user| user.allow_ntlm).collect();
        assert_eq!(marked.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["marked"]);
        let off = UserChange { disabled: Some(true), ..change() };
        site.change_user(&admin(), "marked", off).await.unwrap();
        assert_eq!(code(sign_in(site, "marked", "first horse").await), "invalid_credentials");
    }

    async fn marking_takes_the_password_and_unmarking_forgets_it(stage: &Stage) {
        let site = &stage.site;
        add(site, "op1", false).await;
        let on = || UserChange { allow_ntlm: Some(true), ..change() };
        let refused = site.change_user(&admin(), "op1", on()).await.unwrap_err();
        assert_eq!(refused.code(), "invalid_option");
        assert!(refused.to_string().contains("password is needed"), "{refused}");
        let with_password = UserChange { password: Some("second horse".to_owned()), ..on() };
        site.change_user(&admin(), "op1", with_password).await.unwrap();
        sign_in(site, "op1", "second horse").await.unwrap();
        // Marked again nothing happens, and a new password goes on with it.
        site.change_user(&admin(), "op1", on()).await.unwrap();
        site.set_password(&admin(), "op1", "third horse").await.unwrap();
        let op1 = sign_in(site, "op1", "third horse").await.unwrap();
        assert_eq!(code(sign_in(site, "op1", "second horse").await), "invalid_credentials");
        site.change_own_password(&op1, "third horse", "fourth horse").await.unwrap();
        sign_in(site, "op1", "fourth horse").await.unwrap();
        let off = UserChange { allow_ntlm: Some(false), ..change() };
        site.change_user(&admin(), "op1", off).await.unwrap();
        assert_eq!(code(sign_in(site, "op1", "fourth horse").await), "invalid_credentials");
        site.authenticate_password("op1", "fourth horse", None).await.unwrap();
        // Marked with what was there before, it would come back from nowhere.
        assert_eq!(code(site.change_user(&admin(), "op1", on()).await), "invalid_option");
        let messages = site.status_messages(&StatusFilter::default()).await.unwrap();
        let told = |what: &str| messages.iter().filter(|message| format!("{message:?}").contains(what)).count();
        assert_eq!(told("\"allowed to sign in with NTLM"), 1);
        assert_eq!(told("no longer allowed to sign in with NTLM"), 1);
    }

    async fn guesses_close_the_name_as_wrong_passwords_do(stage: &Stage) {
        let site = &stage.site;
        add(site, "op1", true).await;
        for round in 0..5 {
            // Mixed, they are one count.
            let refused = match round % 2 {
                0 => sign_in(site, "op1", "wrong").await,
                _ => site.authenticate_password("op1", "wrong", from()).await,
            };
            assert_eq!(code(refused), "invalid_credentials");
        }
        assert_eq!(code(sign_in(site, "op1", "first horse").await), "too_many_failures");
        assert_eq!(code(site.authenticate_password("op1", "first horse", from()).await), "too_many_failures");
        assert_eq!(code(site.authenticate_ticket("op1", from()).await), "too_many_failures");
        site.authenticate_ntlm("op1", None, |hash| *hash == NtHash::of_password("first horse")).await.unwrap();
        site.unlock_user(&admin(), "op1").await.unwrap();
        for _ in 0..20 {
            sign_in(site, "op1", "wrong").await.unwrap_err();
            sign_in(site, "op1", "first horse").await.unwrap();
        }
        // A name that nobody has is closed just as well.
        for _ in 0..5 {
            assert_eq!(code(sign_in(site, "nobody", "x").await), "invalid_credentials");
        }
        assert_eq!(code(sign_in(site, "nobody", "x").await), "too_many_failures");
        stage.clock.advance(Duration::from_secs(61));
        assert_eq!(code(sign_in(site, "nobody", "x").await), "invalid_credentials");
    }

    async fn a_connection_is_the_users_while_nothing_changes(stage: &Stage) {
        let site = &stage.site;
        let changes = [
            UserChange { password: Some("second horse".to_owned()), ..change() },
            UserChange { role: Some(Role::Reader), ..change() },
            UserChange { disabled: Some(true), ..change() },
            UserChange { allow_ntlm: Some(false), ..change() },
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let name = format!("op{number}");
            add(site, &name, true).await;
            let by_ntlm = sign_in(site, &name, "first horse").await.unwrap();
            let by_ticket = site.authenticate_ticket(&name, None).await.unwrap();
            assert_eq!(site.still_signed_in(&by_ntlm).await.unwrap(), by_ntlm);
            assert_eq!(site.still_signed_in(&by_ticket).await.unwrap(), by_ticket);
            let leaves_tickets = change.allow_ntlm.is_some();
            site.change_user(&admin(), &name, change).await.unwrap();
            assert_eq!(code(site.still_signed_in(&by_ntlm).await), "invalid_credentials", "{number}");
            assert_eq!(site.still_signed_in(&by_ticket).await.is_ok(), leaves_tickets, "{number}");
            assert_eq!(code(site.create_token(&by_ntlm, &name, "x", Duration::from_secs(60)).await), "invalid_credentials");
        }
        add(site, "gone", true).await;
        let gone = sign_in(site, "gone", "first horse").await.unwrap();
        site.delete_user(&admin(), "gone").await.unwrap();
        assert_eq!(code(site.still_signed_in(&gone).await), "invalid_credentials");
        assert_eq!(code(site.authenticate_ticket("gone", None).await), "invalid_credentials");
        site.authenticate_password("admin", PASSWORD, None).await.unwrap();
    }
}
