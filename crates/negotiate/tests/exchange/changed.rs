//! Good tokens, changed at random from a fixed seed: none is accepted unless nothing was changed that counts.

use negotiate::{Acceptor, NtHash};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use crate::client::{Client, NTLM_OID, find_message, first_token, later_token, mech_list};
use crate::{config, exercise, go_on, identify};

const PASSWORD: &str = "correct horse";

/// Fixed, so that a failure is everybody's.
fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(16),
        failure_persistence: None,
        ..ProptestConfig::default()
    })
}

/// One authentication whose three tokens may be changed by `change`, which gets their number. True if it is accepted.
fn accepted(is_wrapped: bool, change: impl Fn(usize, &mut Vec<u8>)) -> bool {
    let mut client = Client::new("admin", PASSWORD);
    let list = mech_list(&[NTLM_OID]);
    let mut acceptor = Acceptor::new(config());
    let mut first = client.negotiate();
    if is_wrapped {
        first = first_token(&list, Some(&first));
    }
    change(0, &mut first);
    let Ok(answer) = go_on(&mut acceptor, &first) else { return false };
    let Some(challenge) = find_message(&answer) else { return false };
    let (mut last, mut sealer) = client.authenticate(challenge);
    if is_wrapped {
        let mic = sealer.mech_list_mic(&list);
        last = later_token(Some(&last), Some(&mic));
    }
    change(1, &mut last);
    identify(&mut acceptor, &last).is_ok() && acceptor.verify(&NtHash::of_password(PASSWORD)).is_ok()
}

#[test]
fn no_changed_bit_of_an_exchange_goes_unseen() {
    assert!(accepted(false, |_, _| {}) && accepted(true, |_, _| {}));
    let bits = (any::<bool>(), 0..2usize, any::<prop::sample::Index>(), 0..8u8);
    runner(3000)
        .run(&bits, |(is_wrapped, which, place, bit)| {
            let accepted = accepted(is_wrapped, |number, token| {
                if number == which {
                    let place = place.index(token.len());
                    token[place] ^= 1 << bit;
                }
            });
            prop_assert!(!accepted);
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_cut_token_is_taken() {
    for is_wrapped in [false, true] {
        for which in 0..2 {
            for cut in [1, 2, 7, 16, 40, 64, 88] {
                let taken = accepted(is_wrapped, |number, token| {
                    if number == which {
                        let length = token.len().saturating_sub(cut);
                        token.truncate(length);
                    }
                });
                assert!(!taken, "{is_wrapped} {which} {cut}");
            }
        }
    }
}

#[test]
fn bytes_from_nowhere_prove_nothing() {
    let mut client = Client::new("admin", PASSWORD);
    let first = client.negotiate();
    let mut acceptor = Acceptor::new(config());
    let (last, _) = client.authenticate(&go_on(&mut acceptor, &first).unwrap());
    let list = mech_list(&[NTLM_OID]);
    let seeds = vec![
        first.clone(),
        first_token(&list, Some(&first)),
        later_token(Some(&last), Some(&[1; 16])),
        [vec![u8::try_from(first.len() + 1).unwrap()], first, last].concat(),
        b"\x30\x82\x01\x00\x30\x03\x02\x01\x01\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00"
            .to_vec(),
    ];
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 0..6);
    let case = (prop::sample::select(seeds), changes);
    runner(20_000)
        .run(&case, |(mut bytes, changes)| {
            for (place, byte, how) in changes {
                if bytes.is_empty() {
                    break;
                }
                let place = place.index(bytes.len());
                match how {
                    0 => bytes[place] = byte,
                    1 => bytes.truncate(place),
                    _ => bytes.insert(place, byte),
                }
            }
            exercise::tokens(&bytes);
            Ok(())
        })
        .unwrap();
}
