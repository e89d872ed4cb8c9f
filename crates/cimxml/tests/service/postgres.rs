//! The same tests with the site's data in PostgreSQL.

use crate::{bad_input, operations, pulls};

#[allow(clippy::print_stderr, reason = "the summary of `cargo xtask test` says what could not run")]
fn all(tests: &[fn()]) {
    let _ = stage::each_on_postgres("CIM-XML on PostgreSQL", tests).map_err(|missing| eprintln!("{missing}"));
}

#[test]
fn operations_hold_on_postgresql() {
    all(&[
        operations::instances_are_made_read_changed_and_deleted,
        operations::a_listed_change_of_an_old_object_is_refused,
        operations::properties_are_read_and_written_alone,
        operations::methods_run_on_instances_and_classes,
        operations::lists_and_their_shapes,
        operations::long_lists_leave_in_pieces_and_are_whole,
        operations::queries_are_answered_in_wql,
        operations::associations_lead_from_one_object_to_others,
        operations::wrong_namespaces_classes_instances_and_parameters_have_their_codes,
        operations::a_package_is_distributed_by_instances_and_methods,
        bad_input::wrong_content_is_an_error_of_the_operation,
    ]);
}

#[test]
fn pulls_hold_on_postgresql() {
    all(&[
        pulls::pieces_are_the_whole_list,
        pulls::every_kind_of_enumeration_has_its_pull,
        pulls::filters_are_queries_on_the_class,
    ]);
}
