//! A platform's condition: the WQL by which a client finds out whether it is one.

use std::fmt::Write as _;

use super::Platform;
use crate::inf::Architecture;

impl Platform {
    /// Query1: the WQL for the operating system. Build numbers are text in WMI; all of Windows 10 and later have five
    /// digits, so they compare as numbers do.
    #[must_use]
    pub fn query_os(&self) -> String {
        let mut query = format!(
            "SELECT * FROM Win32_OperatingSystem WHERE Version LIKE '{}.{}.%' AND OSType=18 AND {}",
            self.os.major,
            self.os.minor,
            if self.is_server() { "ProductType<>1" } else { "ProductType=1" }
        );
        if self.os.major >= 10 {
            let oldest = self.releases.first().copied().unwrap_or(0);
            let _ = write!(query, " AND BuildNumber>='{oldest}' AND BuildNumber<='{}'", self.build_max);
        }
        query
    }

    /// Query2: the WQL for the processor.
    #[must_use]
    pub fn query_processor(&self) -> &'static str {
        match self.os.architecture {
            Architecture::X86 => "SELECT * FROM Win32_Processor WHERE Architecture=0",
            Architecture::Ia64 => "SELECT * FROM Win32_Processor WHERE Architecture=6",
            Architecture::Amd64 => "SELECT * FROM Win32_Processor WHERE Architecture=9 AND DataWidth=64",
            Architecture::Arm => "SELECT * FROM Win32_Processor WHERE Architecture=5",
            Architecture::Arm64 => "SELECT * FROM Win32_Processor WHERE Architecture=12",
        }
    }

    /// Condition: one `PlatformApplicabilityCondition` as SDMPackageXML has it.
    #[must_use]
    pub fn condition(&self) -> String {
        format!(
            "<PlatformApplicabilityCondition DisplayName=\"{}\" MaxVersion=\"{}\" MinVersion=\"{}\" Name=\"{}\" \
             Platform=\"{}\"><Query1>{}</Query1><Query2>{}</Query2></PlatformApplicabilityCondition>",
            self.display_text,
            self.max_version,
            self.min_version,
            self.name,
            self.platform,
            escape(&self.query_os()),
            escape(self.query_processor())
        )
    }
}

/// The queries hold `<` and `>`; nothing else in the table needs escaping.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use crate::platform::{PLATFORMS, by_id};

    #[test]
    fn conditions_name_their_system() {
        let seven = by_id("Windows/All_x64_Windows_7_Client").unwrap();
        assert_eq!(
            seven.condition(),
            "<PlatformApplicabilityCondition DisplayName=\"All Windows 7 (64-bit)\" MaxVersion=\"6.10.9999.9999\" \
             MinVersion=\"6.10.0000.0\" Name=\"Win NT\" Platform=\"x64\"><Query1>SELECT * FROM \
             Win32_OperatingSystem WHERE Version LIKE '6.1.%' AND OSType=18 AND ProductType=1</Query1>\
             <Query2>SELECT * FROM Win32_Processor WHERE Architecture=9 AND DataWidth=64</Query2>\
             </PlatformApplicabilityCondition>"
        );
        let server = by_id("Windows/All_x64_Windows_Server_2022_and_higher").unwrap();
        assert_eq!(
            server.query_os(),
            "SELECT * FROM Win32_OperatingSystem WHERE Version LIKE '10.0.%' AND OSType=18 AND ProductType<>1 \
             AND BuildNumber>='20348' AND BuildNumber<='99999'"
        );
    }

    #[test]
    fn every_condition_is_xml_that_says_what_the_row_says() {
        for platform in PLATFORMS {
            let text = platform.condition();
            let document = roxmltree::Document::parse(&text).unwrap();
            let root = document.root_element();
            assert_eq!(root.attribute("DisplayName"), Some(platform.display_text));
            assert_eq!(root.attribute("MinVersion"), Some(platform.min_version));
            let query = root.children().find(|node| node.has_tag_name("Query1")).unwrap();
            assert_eq!(query.text(), Some(platform.query_os().as_str()));
        }
    }
}
