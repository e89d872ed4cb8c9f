//! The same with the site's data in PostgreSQL: what reads and changes instances.

use crate::operations;

#[allow(clippy::print_stderr, reason = "the summary of `cargo xtask test` says what could not run")]
#[test]
fn operations_hold_on_postgresql() {
    let done = stage::each_on_postgres(
        "WS-Management on PostgreSQL",
        &[
            operations::get_answers_in_the_style_of_its_request,
            operations::put_sets_what_is_given_and_nothing_else,
            operations::put_of_an_old_object_is_refused_as_old,
            operations::a_listed_change_of_an_old_object_is_refused_as_old,
            operations::a_listed_array_without_elements_is_emptied,
            operations::put_refuses_what_does_not_fit,
            operations::create_answers_with_the_address_of_what_it_made,
            operations::delete_answers_with_nothing_and_leaves_nothing,
            operations::methods_are_called_on_instances_and_classes,
            operations::calls_that_cannot_run_are_faults,
            operations::options_are_the_context_of_a_call,
        ],
    );
    let _ = done.map_err(|missing| eprintln!("{missing}"));
}
