#!/bin/bash
# The wsl scripts of Debian, as an administrator types them: identify, get, enumerate in pieces and by selectors, follow
# associations, change a property, call a method.
set -euo pipefail
cd "$(mktemp -d)"
export HOME=$PWD OUTLEVEL=1 WSNOSSL=true KEEPHISTORY=0 IPINTERACTIVE=0
export WSENDPOINT=${HAULIER_URL#http://} WSUSER=$HAULIER_USER WSPASS="'$HAULIER_PASSWORD'"

namespace=root/sms/site_PS1
class=http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/SMS_DriverPackage
points=http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/SMS_DistributionPointInfo

fail() { echo "$1"; cat response*.xml request*.xml 2>/dev/null; exit 1; }
# Whether the last answers have a text, so many times.
holds() { [ "$(cat response-*.xml | grep -o "$1" | wc -l)" -eq "$2" ] || fail "$3"; }
clear_answers() { rm -f response*.xml request*.xml; }

wslid check > /dev/null
grep -q IdentifyResponse response.xml || fail "wslid"
clear_answers

# Its exit code says whether the answer names the last selector.
wslget "$class" "__cimnamespace=$namespace" "PackageID=$HAULIER_PACKAGE" > /dev/null || fail "wslget"
holds ":PackageID>$HAULIER_PACKAGE<" 1 "wslget found another package"
clear_answers

# Without more it takes one item at a time, until the context is empty.
timeout 60 wslenum "$points" -ns "$namespace" > /dev/null || fail "wslenum"
holds 'SMS_DistributionPointInfo_Type' 2 "wslenum found other distribution points"
holds 'EndOfSequence' 1 "wslenum went on"
clear_answers

timeout 60 wslenum "$points" -ns "$namespace" -opti 10 -mode epr > /dev/null || fail "wslenum -mode epr"
holds 'EndpointReference>' 4 "wslenum -mode epr"
clear_answers

selectors=http://schemas.dmtf.org/wbem/wsman/1/wsman/SelectorFilter
timeout 60 wslenum "$class" -ns "$namespace" -dialect "$selectors" -filter "PackageID=$HAULIER_PACKAGE" > /dev/null || fail "selectors"
holds 'SMS_DriverPackage_Type' 1 "wslenum by selectors"
clear_answers

# The name is theirs: -references asks for associated instances.
timeout 60 wslenum "$class" -ns "$namespace" -references "PackageID=$HAULIER_PACKAGE" > /dev/null || fail "-references"
[ "$(cat response-*.xml | grep -c '_Type')" -gt 0 ] || fail "nothing is associated with the package"
clear_answers

# Both find their one instance by an enumeration of references first. Their exit codes ask for a text that only one vendor
# writes; what they did is looked at instead. Without -fragment wslput takes the instance apart as text and sends what is no
# XML: it expects a tag without attributes, where the prefixes of the properties are declared.
timeout 60 wslput "$class" "Description=by wsl" -ns "$namespace" -fragment > /dev/null || true
clear_answers
wslget "$class" "__cimnamespace=$namespace" "PackageID=$HAULIER_PACKAGE" > /dev/null
holds ':Description>by wsl<' 1 "wslput changed nothing"
before=$(grep -o ':SourceVersion>[0-9]*' response.xml | grep -o '[0-9]*$')
clear_answers

timeout 60 wslinvoke "$class" RefreshPkgSource ns "$namespace" > /dev/null || true
holds ':ReturnValue>0<' 1 "RefreshPkgSource"
for _ in $(seq 100); do
    clear_answers
    wslget "$class" "__cimnamespace=$namespace" "PackageID=$HAULIER_PACKAGE" > /dev/null
    after=$(grep -o ':SourceVersion>[0-9]*' response.xml | grep -o '[0-9]*$')
    [ "$after" -gt "$before" ] && exit 0
    sleep 0.3
done
fail "no version was published"
