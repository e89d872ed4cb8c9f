//! `haulier query`: WQL typed here. What OData can say is sent as OData, as any client of the REST route would; joins,
//! subqueries, functions, DISTINCT, COUNT and questions about associations go to the site as WQL, by the method of
//! `Haulier_Query`.

use anyhow::{Context, Result, bail};
use cim::odata;
use cim::query::{Query, Select, Selected};
use cim::wql::Statement;
use serde_json::json;

use super::rows;
use crate::output::{self, Format, Table};
use crate::remote::Remote;

/// Does what the command line says.
pub(crate) async fn run(wql: &str, remote: &Remote, format: Format) -> Result<()> {
    let statement = cim::wql::parse_statement(wql).context("this is not WQL that haulier understands")?;
    let select = match &statement {
        Statement::Select(query) => Some(query),
        Statement::Associators(_) | Statement::References(_) => None,
    };
    let found = match select.map(|query| (query, odata_options(query))) {
        Some((query, Ok(options))) => {
            let options: Vec<(&str, &str)> =
                options.iter().map(|(name, value)| (*name, value.as_str())).collect();
            remote.list(query.class(), &options).await?
        }
        // Why OData cannot say it does not matter: WQL can.
        Some((_, Err(_))) | None => by_wql(wql, remote).await?,
    };
    if format == Format::Json {
        output::json(&found);
        return Ok(());
    }
    let flat: Vec<serde_json::Value> = found.iter().map(flattened).collect();
    let columns = columns(select.map(|query| &query.select), &flat);
    let headings: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new(&headings);
    for row in &flat {
        table.row(columns.iter().map(|column| rows::text(row, column)));
    }
    table.print();
    Ok(())
}

/// As much at a time as the site gives: nearly always all of it, which is then of one moment.
async fn by_wql(wql: &str, remote: &Remote) -> Result<Vec<serde_json::Value>> {
    let mut found = Vec::new();
    loop {
        let page = json!({ "Query": wql, "Skip": found.len() });
        let mut answer = remote.invoke_static("Haulier_Query", "Run", &page).await?;
        let rows = answer["Rows"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let more = answer["More"] == true && !rows.is_empty();
        found.extend(rows);
        if !more {
            return Ok(found);
        }
    }
}

/// A row of several classes with one level: `p.Name`.
fn flattened(row: &serde_json::Value) -> serde_json::Value {
    let mut flat = serde_json::Map::new();
    for (name, value) in row.as_object().into_iter().flatten() {
        match value.as_object() {
            Some(embedded) => {
                let inside =
                    embedded.iter().filter(|(inner, _)| !inner.starts_with('@') && !inner.starts_with("__"));
                flat.extend(inside.map(|(inner, value)| (format!("{name}.{inner}"), value.clone())));
            }
            None => {
                flat.insert(name.clone(), value.clone());
            }
        }
    }
    flat.into()
}

/// The selected properties in their order; for whole classes, what the rows have besides the system properties.
fn columns(select: Option<&Select>, rows: &[serde_json::Value]) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    let keys = rows.iter().filter_map(|row| row.as_object()).flat_map(|row| row.keys());
    for key in keys.filter(|name| !name.starts_with("__") && !name.starts_with('@')) {
        if !columns.contains(key) {
            columns.push(key.clone());
        }
    }
    let Some(Select::Items(items)) = select else { return columns };
    let named = |item: &Selected| match item {
        Selected::Property(property) => {
            let whole = property.to_string();
            let is_there = |name: &str| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
            Some(if !is_there(&whole) && is_there(&property.name) { property.name.clone() } else { whole })
        }
        Selected::Source(_) => None,
    };
    let chosen: Option<Vec<String>> = items.iter().map(named).collect();
    match chosen {
        // Rows of several classes name their columns by class, and the question need not.
        Some(chosen) if rows.is_empty() || chosen.iter().all(|name| columns.contains(name)) => chosen,
        Some(_) | None => columns,
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
