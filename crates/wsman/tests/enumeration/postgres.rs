//! The same tests with the site's data in PostgreSQL.

use crate::{contexts, filters, items, many_rows};

#[allow(clippy::print_stderr, reason = "the summary of `cargo xtask test` says what could not run")]
fn all(tests: &[fn()]) {
    let _ = stage::each_on_postgres("enumerations on PostgreSQL", tests)
        .map_err(|missing| eprintln!("{missing}"));
}

#[test]
fn enumerations_hold_on_postgresql() {
    all(&[
        items::mistake_10_references_name_the_actual_class_and_its_keys,
        items::mistake_10_an_answer_is_never_longer_than_the_client_takes,
        items::projections_and_rows_have_no_class,
        filters::wql_is_answered_at_every_uri,
        filters::selectors_filter_a_class,
        filters::associations_are_followed,
        filters::associations_are_chosen_by_class_roles_and_properties,
        contexts::a_context_is_found_by_itself_alone_and_by_its_user_only,
        contexts::one_user_cannot_take_all_the_room,
    ]);
}

#[test]
fn long_enumerations_hold_on_postgresql() {
    all(&[
        many_rows::a_long_answer_comes_whole,
        many_rows::clients_that_take_nothing_stop_nobody,
        many_rows::a_row_that_cannot_be_read_is_a_fault_in_its_place,
    ]);
}
