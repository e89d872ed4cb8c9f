//! Limits that documents state.

#[test]
fn the_page_of_queries_states_what_an_option_may_have() {
    let page = include_str!("../../../../docs/queries.md");
    assert_eq!(cim::odata::OPTION_BYTES_MAX, cim::wql::QUERY_BYTES_MAX, "one row is about both");
    for (what, limit) in [
        ("bytes of a query or option", cim::odata::OPTION_BYTES_MAX),
        ("names in `$select`", cim::odata::NAMES_MAX),
    ] {
        let row =
            page.lines().find_map(|line| line.strip_prefix(&format!("| {what} | "))).unwrap_or_default();
        assert_eq!(row.replace(',', ""), format!("{limit} |"), "{what}");
    }
}
