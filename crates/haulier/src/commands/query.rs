//! `haulier query`: WQL typed here, sent as OData, which is what the site's REST route understands.

use anyhow::{Context, Result, bail};
use cim::odata;
use cim::query::{Query, Select, Selected};

use super::rows;
use crate::output::{self, Format, Table};
use crate::remote::Remote;

/// Does what the command line says.
pub(crate) async fn run(wql: &str, remote: &Remote, format: Format) -> Result<()> {
    let query = cim::wql::parse(wql).context("this is not WQL that haulier understands")?;
    let options = odata_options(&query)?;
    let borrowed: Vec<(&str, &str)> = options.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let instances = remote.list(query.class(), &borrowed).await?;
    if format == Format::Json {
        output::json(&instances);
        return Ok(());
    }
    let columns = columns(&query, instances.first());
    let headings: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new(&headings);
    for instance in &instances {
        table.row(columns.iter().map(|column| rows::text(instance, column)));
    }
    table.print();
    Ok(())
}

/// The selected properties; for `*`, what the first instance has besides the system properties.
fn columns(query: &Query, first: Option<&serde_json::Value>) -> Vec<String> {
    match (&query.select, first.and_then(|instance| instance.as_object())) {
        (Select::Items(items), _) => names(items),
        (_, Some(instance)) => instance
            .keys()
            .filter(|name| !name.starts_with("__") && !name.starts_with('@'))
            .cloned()
            .collect(),
        (_, None) => Vec::new(),
    }
}

fn odata_options(query: &Query) -> Result<Vec<(&'static str, String)>> {
    if !query.joins.is_empty() || query.distinct || matches!(query.select, Select::Count(_)) {
        bail!("over REST a query reads one class, without DISTINCT and COUNT");
    }
    let mut options = Vec::new();
    if let Select::Items(items) = &query.select {
        options.push(("$select", names(items).join(",")));
    }
    if let Some(filter) = &query.filter {
        options.push(("$filter", odata::print_filter(filter)?));
    }
    if !query.order.is_empty() {
        options.push(("$orderby", odata::print_order(&query.order)?));
    }
    Ok(options)
}

fn names(items: &[Selected]) -> Vec<String> {
    let name = |item: &Selected| match item {
        Selected::Property(property) => property.name.clone(),
        Selected::Source(_) => "*".to_owned(),
    };
    items.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wql_becomes_odata() {
        for (wql, expected) in [
            ("SELECT * FROM C", vec![]),
            ("SELECT A, B FROM C", vec![("$select", "A,B")]),
            (
                "SELECT A FROM C WHERE A = 'O\\'Neil' AND B > 3",
                vec![("$select", "A"), ("$filter", "A eq 'O''Neil' and B gt 3")],
            ),
            (
                "SELECT * FROM C WHERE A LIKE '%x%' OR NOT B IS NULL",
                vec![("$filter", "contains(A,'x') or not (B eq null)")],
            ),
            (
                "SELECT * FROM C WHERE A LIKE 'x%' ORDER BY B DESC",
                vec![("$filter", "startswith(A,'x')"), ("$orderby", "B desc")],
            ),
            ("SELECT * FROM C WHERE A IN (1, 2)", vec![("$filter", "A in (1,2)")]),
        ] {
            let options = odata_options(&cim::wql::parse(wql).expect(wql)).expect(wql);
            let expected: Vec<_> =
                expected.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
            assert_eq!(options, expected, "{wql}");
        }
    }

    #[test]
    fn what_odata_cannot_say_is_refused() {
        for (wql, says) in [
            ("SELECT * FROM C WHERE A LIKE 'a%b'", "the pattern"),
            ("SELECT * FROM C JOIN D ON C.k = D.k", "one class"),
            ("SELECT COUNT(*) FROM C", "COUNT"),
            ("SELECT DISTINCT A FROM C", "DISTINCT"),
            ("SELECT * FROM C WHERE EXISTS (SELECT * FROM D)", "EXISTS"),
        ] {
            let query = cim::wql::parse(wql).unwrap();
            assert!(odata_options(&query).unwrap_err().to_string().contains(says), "{wql}");
        }
    }
}
