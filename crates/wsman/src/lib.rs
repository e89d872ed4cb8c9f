//! WS-Management: the provider over SOAP, as PowerShell's CIM cmdlets and winrm speak it.
