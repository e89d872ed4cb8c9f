//! Users, roles, passwords, tokens.

use std::time::Duration;

use site::{Actor, Role, SignIn, Site, SiteOptions, UserChange};

use crate::stage::{PASSWORD, admin, code};

fn reader(name: &str) -> Actor {
    Actor::new(name, Role::Reader)
}

on_both! {
    async fn a_site_is_made_once(stage: &Stage) {
        assert_eq!(code(Site::init(&stage.options, PASSWORD, stage.clock.clone()).await), "already_initialized");
        let identity = stage.site.identity();
        assert_eq!((identity.site_code.as_str(), identity.site_name.as_str()), ("PS1", "Primary"));
        assert_eq!(identity.site_guid.len(), 36);
        let again = stage.reopen().await;
        assert_eq!(again.identity(), identity);
        again.close().await;
    }

    async fn the_first_administrator_signs_in(stage: &Stage) {
        let actor = stage.site.authenticate_password("Admin", PASSWORD, None).await.unwrap();
        assert!(matches!(actor.sign_in, SignIn::Password(_)));
        assert_eq!(Actor { sign_in: SignIn::Local, ..actor }, admin());
        for (name, password) in [("admin", "wrong"), ("nobody", PASSWORD), ("", ""), ("admin", &"x".repeat(5000)), (&"n".repeat(5000), "x")] {
            assert_eq!(code(stage.site.authenticate_password(name, password, None).await), "invalid_credentials", "{name}");
        }
    }

    async fn many_failures_close_a_name_for_a_while(stage: &Stage) {
        for _ in 0..5 {
            assert_eq!(code(stage.site.authenticate_password("admin", "wrong", None).await), "invalid_credentials");
        }
        assert_eq!(code(stage.site.authenticate_password("ADMIN", PASSWORD, None).await), "too_many_failures");
        stage.clock.advance(Duration::from_secs(61));
        stage.site.authenticate_password("admin", PASSWORD, None).await.unwrap();
        // Who is signed in stays so while somebody else guesses.
        for _ in 0..6 {
            let _ = stage.site.authenticate_password("admin", "wrong", None).await.unwrap_err();
        }
        stage.site.authenticate_password("admin", PASSWORD, None).await.unwrap();
    }

    async fn a_changed_password_ends_the_old_one_at_once(stage: &Stage) {
        stage.site.create_user(&admin(), "op1", "first horse", Role::Operator).await.unwrap();
        stage.site.authenticate_password("op1", "first horse", None).await.unwrap();
        let token = stage.site.create_token(&admin(), "op1", "script", Duration::from_secs(60)).await.unwrap();
        stage.site.set_password(&admin(), "op1", "second horse").await.unwrap();
        assert_eq!(code(stage.site.authenticate_password("op1", "first horse", None).await), "invalid_credentials");
        assert_eq!(stage.site.authenticate_password("op1", "second horse", None).await.unwrap().role, Role::Operator);
        assert_eq!(code(stage.site.authenticate_token(&token.secret, None).await), "invalid_token");
        stage.site.set_role(&admin(), "op1", Role::Reader).await.unwrap();
        assert_eq!(stage.site.authenticate_password("op1", "second horse", None).await.unwrap().role, Role::Reader);
    }

    async fn only_administrators_manage_users_and_one_stays(stage: &Stage) {
        let site = &stage.site;
        site.create_user(&admin(), "r", PASSWORD, Role::Reader).await.unwrap();
        assert_eq!(code(site.create_user(&admin(), "R", PASSWORD, Role::Reader).await), "already_exists");
        assert_eq!(code(site.create_user(&admin(), "a b", PASSWORD, Role::Reader).await), "invalid_option");
        assert_eq!(code(site.create_user(&admin(), r"DOM\r2", PASSWORD, Role::Reader).await), "invalid_option");
        assert_eq!(code(site.create_user(&admin(), "c", "", Role::Reader).await), "invalid_option");
        assert_eq!(code(site.create_user(&reader("r"), "x", PASSWORD, Role::Reader).await), "access_denied");
        assert_eq!(code(site.set_password(&reader("r"), "admin", PASSWORD).await), "access_denied");
        assert_eq!(code(site.delete_user(&admin(), "admin").await), "conflict");
        assert_eq!(code(site.set_role(&admin(), "admin", Role::Reader).await), "conflict");
        assert_eq!(code(site.delete_user(&admin(), "none").await), "user_not_found");
        let names: Vec<_> = site.users().await.unwrap().into_iter().map(|user| user.name).collect();
        assert_eq!(names, ["admin", "r"]);
        site.delete_user(&admin(), "r").await.unwrap();
        assert_eq!(code(site.authenticate_password("r", PASSWORD, None).await), "invalid_credentials");
    }

    async fn a_name_is_closed_where_it_was_guessed_and_an_unlock_beside_the_server_opens_it(stage: &Stage) {
        let (here, there) = (Some("192.0.2.1".parse().unwrap()), Some("198.51.100.7".parse().unwrap()));
        let local = Some("127.0.0.1".parse().unwrap());
        // All at once, so that checks in flight are counted too.
        let guesses = (0..32).map(|_| stage.site.authenticate_password("admin", "wrong", here));
        let answers = futures_util::future::join_all(guesses).await;
        let checked = answers.iter().filter(|answer| matches!(answer, Err(site::SiteError::InvalidCredentials))).count();
        assert_eq!(checked, 5);
        assert!(answers.iter().all(Result::is_err));
        assert_eq!(code(stage.site.authenticate_password("admin", PASSWORD, here).await), "too_many_failures");
        for open in [there, local, None] {
            stage.site.authenticate_password("admin", PASSWORD, open).await.unwrap();
        }
        stage.clock.advance(Duration::from_secs(1));
        let beside = stage.reopen().await;
        beside.unlock_user(&Actor::local(), "admin").await.unwrap();
        beside.close().await;
        stage.site.authenticate_password("admin", PASSWORD, here).await.unwrap();
    }

    async fn an_address_is_closed_for_strangers_and_this_machine_never(stage: &Stage) {
        let site = &stage.site;
        let address = Some("192.0.2.1".parse().unwrap());
        for name in ["op1", "op2"] {
            site.create_user(&admin(), name, PASSWORD, Role::Operator).await.unwrap();
        }
        site.authenticate_password("op1", PASSWORD, address).await.unwrap();
        stage.clock.advance(Duration::from_secs(61));
        let too_long = "n".repeat(300);
        for from in [address, Some("::1".parse().unwrap())] {
            for _ in 0..60 {
                assert_eq!(code(site.authenticate_token("made-up", from).await), "invalid_token");
            }
        }
        assert_eq!(code(site.authenticate_token("made-up", address).await), "too_many_failures");
        assert_eq!(code(site.authenticate_token("made-up", Some("::1".parse().unwrap())).await), "invalid_token");
        // Tokens close no passwords.
        for from in [address, Some("127.0.0.1".parse().unwrap())] {
            for _ in 0..60 {
                assert_eq!(code(site.authenticate_password(&too_long, "x", from).await), "invalid_credentials");
            }
        }
        assert_eq!(code(site.authenticate_password("op2", PASSWORD, address).await), "too_many_failures");
        site.authenticate_password("op1", PASSWORD, address).await.unwrap();
        site.authenticate_password("op2", PASSWORD, Some("127.0.0.1".parse().unwrap())).await.unwrap();
        site.unlock_address(&admin(), "192.0.2.1".parse().unwrap()).await.unwrap();
        site.authenticate_password("op2", PASSWORD, address).await.unwrap();
    }

    async fn what_nobody_is_called_is_not_written_and_what_ended_is_forgotten(stage: &Stage) {
        for name in ["admin", "nobody"] {
            for _ in 0..5 {
                let _ = stage.site.authenticate_password(name, "wrong", None).await.unwrap_err();
            }
            assert_eq!(code(stage.site.authenticate_password(name, "wrong", None).await), "too_many_failures");
        }
        let again = stage.reopen().await;
        assert_eq!(code(again.authenticate_password("admin", PASSWORD, None).await), "too_many_failures");
        assert_eq!(code(again.authenticate_password("nobody", PASSWORD, None).await), "invalid_credentials");
        again.close().await;
        let locked = "SELECT Name FROM Haulier_User WHERE LockedUntil IS NOT NULL";
        assert_eq!(crate::scopes::seen(stage, &admin(), locked).await, ["admin"]);
        stage.clock.advance(Duration::from_secs(61));
        stage.reopen().await.close().await;
        assert_eq!(crate::scopes::seen(stage, &admin(), locked).await, [""; 0]);
    }

    async fn a_token_makes_and_ends_no_other_and_tells_of_none(stage: &Stage) {
        let site = &stage.site;
        let hour = Duration::from_secs(3600);
        let first = site.create_token(&admin(), "admin", "one", hour).await.unwrap();
        let second = site.create_token(&admin(), "admin", "two", hour).await.unwrap();
        let with_first = site.authenticate_token(&first.secret, None).await.unwrap();
        for life in [hour, Duration::from_secs(1)] {
            assert_eq!(code(site.create_token(&with_first, "admin", "x", life).await), "password_needed");
        }
        assert_eq!(code(site.revoke_token(&with_first, "admin", second.id).await), "password_needed");
        let listed = async |actor: &Actor| {
            site.tokens(actor, "admin").await.unwrap().into_iter().map(|token| token.label).collect::<Vec<_>>()
        };
        assert_eq!(listed(&with_first).await, ["one"]);
        let select = "SELECT Label FROM Haulier_Token ORDER BY Label";
        assert_eq!(crate::scopes::seen(stage, &with_first, select).await, ["one"]);
        assert_eq!(crate::scopes::seen(stage, &admin(), select).await, ["one", "two"]);
        site.revoke_token(&with_first, "admin", first.id).await.unwrap();
        assert_eq!(listed(&admin()).await, ["two"]);
    }

    async fn who_was_changed_since_signing_in_makes_no_token(stage: &Stage) {
        let site = &stage.site;
        let hour = Duration::from_secs(3600);
        site.create_user(&admin(), "op1", "first horse", Role::Operator).await.unwrap();
        let change = UserChange::default;
        let password = UserChange { password: Some("second horse".to_owned()), ..change() };
        let changes = [
            (password, "first horse"),
            (UserChange { role: Some(Role::Reader), ..change() }, "second horse"),
            (UserChange { disabled: Some(true), ..change() }, "second horse"),
        ];
        for (change, password) in changes {
            let signed_in = site.authenticate_password("op1", password, None).await.unwrap();
            site.create_token(&signed_in, "op1", "x", hour).await.unwrap();
            site.change_user(&admin(), "op1", change).await.unwrap();
            assert_eq!(code(site.create_token(&signed_in, "op1", "x", hour).await), "invalid_credentials");
        }
        assert_eq!(code(site.create_token(&admin(), "op1", "x", hour).await), "conflict", "nobody uses it");
        assert_eq!(site.tokens(&admin(), "op1").await.unwrap(), []);
    }

    async fn tokens_end_by_time_and_by_hand(stage: &Stage) {
        let site = &stage.site;
        site.create_user(&admin(), "r", PASSWORD, Role::Reader).await.unwrap();
        let r = reader("r");
        let hour = Duration::from_secs(3600);
        let first = site.create_token(&r, "r", "one", hour).await.unwrap();
        let second = site.create_token(&r, "R", "two", hour * 2).await.unwrap();
        assert!(first.secret.starts_with(site::TOKEN_PREFIX) && first.secret.len() == 72, "{}", first.secret.len());
        let expect = Actor { sign_in: SignIn::Token(first.id), ..r.clone() };
        assert_eq!(site.authenticate_token(&first.secret, None).await.unwrap(), expect);
        for wrong in ["", "x", &"0".repeat(64), &second.secret.to_uppercase()] {
            assert_eq!(code(site.authenticate_token(wrong, None).await), "invalid_token");
        }
        assert_eq!(code(site.create_token(&r, "admin", "x", hour).await), "access_denied");
        assert_eq!(code(site.create_token(&r, "r", "x", hour * 24 * 400).await), "invalid_option");
        let labels: Vec<_> = site.tokens(&r, "r").await.unwrap().into_iter().map(|token| token.label).collect();
        assert_eq!(labels, ["one", "two"]);
        stage.clock.advance(hour);
        assert_eq!(code(site.authenticate_token(&first.secret, None).await), "invalid_token");
        site.authenticate_token(&second.secret, None).await.unwrap();
        assert_eq!(code(site.revoke_token(&admin(), "admin", second.id).await), "invalid_token");
        site.revoke_token(&r, "r", second.id).await.unwrap();
        assert_eq!(code(site.authenticate_token(&second.secret, None).await), "invalid_token");
    }
}

#[tokio::test]
async fn bad_options_make_no_site() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock::ManualClock::new(jiff::Timestamp::UNIX_EPOCH);
    let good = SiteOptions {
        data_dir: folder.path().join("data"),
        site_code: "PS1".to_owned(),
        ..SiteOptions::default()
    };
    for bad in ["", "PS", "PS12", "P 1", "PSÄ"] {
        let options = SiteOptions { site_code: bad.to_owned(), ..good.clone() };
        assert_eq!(code(Site::init(&options, PASSWORD, clock.clone()).await), "invalid_option", "{bad}");
        assert_eq!(code(Site::open(&options, clock.clone()).await), "not_initialized");
    }
    let options = SiteOptions { server_name: Some("not a host".to_owned()), ..good.clone() };
    assert_eq!(code(Site::init(&options, PASSWORD, clock.clone()).await), "invalid_option");
    assert_eq!(code(Site::init(&good, "", clock.clone()).await), "invalid_option");
    // A password that was refused left nothing behind that would stop the next attempt.
    Site::init(&good, PASSWORD, clock.clone()).await.unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&good.data_dir.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);
}
