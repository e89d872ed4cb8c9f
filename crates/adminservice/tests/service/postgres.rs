//! The same tests with the site's data in PostgreSQL: what reads and changes the catalog, the packages and who may.

use crate::bad_input;
use crate::{categories, drivers, haulier_classes, life, package_content, request_lines, streams};

#[allow(clippy::print_stderr, reason = "the summary of `cargo xtask test` says what could not run")]
fn all(tests: &[fn()]) {
    let _ =
        stage::each_on_postgres("the service on PostgreSQL", tests).map_err(|missing| eprintln!("{missing}"));
}

#[test]
fn lives_of_packages_hold_on_postgresql() {
    all(&[
        life::a_package_is_made_changed_and_deleted_by_a_rest_client,
        life::refreshing_publishes_the_next_version,
        life::a_package_is_distributed_in_both_ways_and_removed,
        life::bad_distribution_requests_change_nothing,
        life::ordinary_refusals_are_no_failures_of_the_server,
        life::a_schedule_is_stored_and_read_back_or_refused_whole,
        life::roles_decide_who_may_do_what,
        life::nobody_gets_in_without_credentials,
        life::a_domain_before_a_name_is_left_out_and_no_name_has_one,
    ]);
}

#[test]
fn drivers_of_the_catalog_hold_on_postgresql() {
    all(&[
        drivers::a_method_returns_a_whole_driver_and_stores_nothing,
        drivers::a_driver_is_imported_by_its_definition,
        drivers::a_driver_is_imported_by_putting_the_whole_object,
        drivers::a_driver_that_is_there_is_found_by_the_error,
        drivers::several_drivers_of_one_folder_share_its_content,
        drivers::a_driver_that_cannot_be_one_is_refused_with_its_code,
        drivers::a_driver_is_disabled_enabled_and_deleted,
        drivers::an_old_object_is_refused_as_old_and_a_newer_one_may_say_anything_of_what_is_read_only,
        drivers::a_package_that_was_read_before_its_snapshot_can_be_put_after_it,
        drivers::an_object_that_goes_back_unchanged_changes_nothing,
        drivers::an_object_out_of_a_list_goes_back_without_losing_what_is_lazy,
        drivers::drivers_of_a_txtsetup_are_boot_critical,
        drivers::platforms_are_edited_in_the_definition,
        drivers::mistakes_on_drivers_are_refused_and_change_nothing,
        drivers::roles_decide_who_may_change_drivers,
    ]);
}

#[test]
fn content_of_packages_hold_on_postgresql() {
    all(&[
        package_content::a_source_folder_is_checked_before_a_package_is_made_of_it,
        package_content::a_driver_is_added_to_a_package,
        package_content::content_is_added_with_one_path_for_all_and_refreshes_when_nothing_else_is_said,
        package_content::a_driver_is_removed_from_a_package,
        package_content::a_package_moves_to_a_new_source,
        package_content::a_package_is_handed_over_and_taken_back,
        package_content::mistakes_on_package_content_are_refused_and_change_nothing,
    ]);
}

#[test]
fn categories_of_drivers_hold_on_postgresql() {
    all(&[categories::categories_label_drivers, categories::a_category_is_made_once_and_with_a_name]);
}

#[test]
fn request_lines_of_scripts_hold_on_postgresql() {
    all(&[
        request_lines::request_lines_of_scripts_find_the_package,
        request_lines::selected_properties_come_alone_and_in_order,
        request_lines::nothing_found_is_an_empty_list,
        request_lines::lazy_properties_come_with_a_get_only,
        request_lines::compound_keys_name_one_assignment,
        request_lines::both_spellings_of_static_methods_work_with_get_and_post,
        request_lines::only_methods_that_read_answer_to_get,
        request_lines::what_cannot_be_asked_is_refused_with_the_right_status,
        request_lines::long_lists_come_whole,
    ]);
}

#[test]
fn users_tokens_and_messages_hold_on_postgresql() {
    all(&[
        haulier_classes::status_messages_come_in_words_and_newest_first,
        haulier_classes::the_words_of_a_message_cannot_be_searched_and_messages_not_be_written,
        haulier_classes::a_token_is_told_once_signs_in_and_ends_when_it_is_deleted,
        haulier_classes::users_manage_their_own_tokens_and_administrators_all,
        haulier_classes::a_user_that_exists_is_not_changed_by_making_it_again,
        haulier_classes::a_change_of_a_user_that_is_refused_changes_nothing,
        haulier_classes::rows_of_a_query_say_their_class,
    ]);
}

#[test]
fn long_lists_hold_on_postgresql() {
    all(&[
        streams::every_piece_of_a_list_is_small_and_all_of_them_are_the_list,
        streams::a_list_that_nobody_reads_is_not_read_on,
        streams::a_row_that_cannot_be_read_breaks_the_list_off,
        streams::a_client_that_leaves_frees_its_place,
        streams::heads_and_counts_read_no_rows,
    ]);
}

#[test]
fn refusals_hold_on_postgresql() {
    all(&[bad_input::the_provider_refuses_with_its_hresult, bad_input::texts_are_texts]);
}
