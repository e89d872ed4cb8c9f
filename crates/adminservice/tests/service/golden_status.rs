//! The status classes on the wire, byte for byte; see `golden`.

use crate::golden::compare_json;
use crate::harness::Service;

const ROUTE: &str = "/AdminService/wmi";

#[tokio::test]
async fn every_status_class_is_listed_as_the_golden_files_show() {
    let service = Service::start().await;
    for (target, file) in [
        ("SMS_PackageStatus", "SMS_PackageStatus.json"),
        ("SMS_PackageStatusRootSummarizer", "SMS_PackageStatusRootSummarizer.json"),
        ("SMS_PackageStatusDetailSummarizer", "SMS_PackageStatusDetailSummarizer.json"),
        ("SMS_DistributionDPStatus", "SMS_DistributionDPStatus.json"),
        ("SMS_DistributionStatus", "SMS_DistributionStatus.json"),
        ("SMS_ObjectContentInfo", "SMS_ObjectContentInfo.json"),
        ("SMS_ObjectContentExtraInfo", "SMS_ObjectContentExtraInfo.json"),
        ("SMS_Site", "SMS_Site.json"),
        ("SMS_StatusMessage(1)", "SMS_StatusMessage.json"),
        ("SMS_StatMsg(1)", "SMS_StatMsg.json"),
        ("SMS_StatMsgWithInsStrings(1)", "SMS_StatMsgWithInsStrings.json"),
        ("SMS_StatMsgInsStrings?$filter=RecordID%20eq%201", "SMS_StatMsgInsStrings.json"),
        ("SMS_StatInsStr(InsStrIndex=0,RecordID=1)", "SMS_StatInsStr.json"),
        ("SMS_StatMsgAttributes?$filter=RecordID%20eq%201", "SMS_StatMsgAttributes.json"),
        ("SMS_StatAttr?$filter=RecordID%20eq%201", "SMS_StatAttr.json"),
    ] {
        let answer = service.get(&format!("{ROUTE}/{target}")).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.body);
        compare_json(file, &answer.body);
    }
}
