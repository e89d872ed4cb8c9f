//! Categories, the labels that administrators give to drivers, as scripts make and use them.

use crate::drivers::{DRIVERS, import, names, stored};
use crate::harness::Service;
use serde_json::{Value as Json, json};
use stage::DriverFile;

pub(crate) const CATEGORIES: &str = "/AdminService/wmi/SMS_CategoryInstance";

/// Makes a category as scripts do, SourceSite included.
pub(crate) async fn new_category(service: &Service, name: &str) -> Json {
    let body = json!({
        "CategoryInstance_UniqueID": format!("DriverCategories:{name}-0f1e2d3c"),
        "CategoryTypeName": "DriverCategories",
        "SourceSite": "PS1",
        "LocalizedInformation": [{ "CategoryInstanceName": name, "LocaleID": 1033 }],
    });
    service.post(CATEGORIES, &body).await
}

/// Sequence J, categories: made, given to a driver, found by, renamed, deleted.
#[tokio::test]
pub(crate) async fn categories_label_drivers() {
    let service = Service::start().await;
    DriverFile::default().write(&service.folder("net"));
    let ci_id = import(&service, "net").await;
    let made = new_category(&service, "Laptops").await;
    let (id, unique) = (made["CategoryInstanceID"].clone(), made["CategoryInstance_UniqueID"].clone());
    assert_eq!(made["LocalizedInformation"][0]["CategoryInstanceName"], "Laptops");
    let filter =
        "?$filter=CategoryTypeName eq 'DriverCategories' and LocalizedCategoryInstanceName eq 'laptops'";
    let found = service.get(&format!("{CATEGORIES}{}", filter.replace(' ', "%20"))).await.rows();
    assert_eq!(json!(names(&found, "CategoryInstanceID")), json!([id]));

    // Null and empty are where scripts begin, and one text is a list of one.
    let target = format!("{DRIVERS}({ci_id})");
    for (value, count) in [(json!(null), 0), (json!([]), 0), (unique.clone(), 1), (json!([unique]), 1)] {
        let body = json!({ "CategoryInstance_UniqueIDs": value }).to_string();
        let answer = service.send("PATCH", &target, &body).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.body);
        assert_eq!(answer.json()["CategoryInstance_UniqueIDs"].as_array().unwrap().len(), count, "{body}");
    }
    let any = async |condition: &str| {
        service.get(&format!("{DRIVERS}?$filter={}", condition.replace(' ', "%20"))).await.rows().len()
    };
    for (condition, count) in [
        ("LocalizedCategoryInstanceNames/any(item: item eq 'LAPTOPS')", 1),
        ("LocalizedCategoryInstanceNames/any(item: item eq 'Laptop')", 0),
        ("CategoryInstance_UniqueIDs/any(c: c eq 'DriverCategories:Laptops-0f1e2d3c')", 1),
        ("not LocalizedCategoryInstanceNames/any(item: item eq 'Laptops')", 0),
        ("SecuredScopeNames/any(s: s eq 'Default')", 1),
        ("contains(LocalizedCategoryInstanceNames,'APTO')", 1),
        ("startswith(LocalizedCategoryInstanceNames,'lap')", 1),
        ("startswith(LocalizedCategoryInstanceNames,'tops')", 0),
        ("endswith(LocalizedCategoryInstanceNames,'tops')", 1),
        ("LocalizedCategoryInstanceNames/any(c: contains(c,'apto'))", 1),
        ("LocalizedCategoryInstanceNames/any(c: startswith(c,'tops') or endswith(tolower(c),'tops'))", 1),
        ("not LocalizedCategoryInstanceNames/any(c: startswith(c,'Lap'))", 0),
        ("contains(SecuredScopeNames,'fault')", 1),
    ] {
        assert_eq!(any(condition).await, count, "{condition}");
    }

    let renamed =
        json!({ "LocalizedInformation": [{ "CategoryInstanceName": "Notebooks", "LocaleID": 1033 }] });
    let target = format!("{CATEGORIES}({id})");
    assert_eq!(service.send("PATCH", &target, &renamed.to_string()).await.status, 200);
    assert_eq!(stored(&service, ci_id).await["LocalizedCategoryInstanceNames"], json!(["Notebooks"]));
    let moved = service.send("PATCH", &target, r#"{"CategoryTypeName":"Product"}"#).await;
    assert_eq!((moved.status, moved.fault("StatusCode")), (400, json!(0x8004_1023_u32)), "{}", moved.body);
    assert_eq!(service.send("DELETE", &target, "").await.status, 204);
    assert_eq!(stored(&service, ci_id).await["LocalizedCategoryInstanceNames"], json!([]));
    assert_eq!(service.send("DELETE", &target, "").await.status, 404);
}

#[tokio::test]
pub(crate) async fn a_category_is_made_once_and_with_a_name() {
    let service = Service::start().await;
    new_category(&service, "Network").await;
    let name = json!([{ "CategoryInstanceName": "A", "LocaleID": 1033 }]);
    for (body, status) in [
        (
            json!({ "CategoryInstance_UniqueID": "DriverCategories:Network-0f1e2d3c", "LocalizedInformation": name }),
            409,
        ),
        (json!({ "CategoryTypeName": "DriverCategories" }), 400),
        (json!({ "CategoryTypeName": "Product", "LocalizedInformation": name }), 400),
        (json!({ "CategoryInstance_UniqueID": "x", "LocalizedInformation": name }), 400),
        (json!({ "LocalizedInformation": [{ "Name": "A" }] }), 400),
        (json!({ "LocalizedInformation": ["A"] }), 400),
        (json!({ "LocalizedInformation": name }), 201),
    ] {
        let answer = service.send("POST", CATEGORIES, &body.to_string()).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
    }
}
