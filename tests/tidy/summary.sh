# The summary of ./check: cases where a program left a report, whole tests where it did not.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/release/gtest"
cat >"$folder/release/tests.xml" <<'XML'
<testsuite>
  <testcase name="cases" classname="cases" time="0.1" status="fail">
    <failure message=""/>
    <system-out>[ RUN      ] A.One
</system-out>
  </testcase>
  <testcase name="whole" classname="whole" time="0.1" status="run">
    <system-out></system-out>
  </testcase>
  <testcase name="crashed" classname="crashed" time="0.1" status="fail">
    <failure message=""/>
    <system-out></system-out>
  </testcase>
  <testcase name="absent" classname="absent" time="0.1" status="notrun">
    <skipped message="SKIP_RETURN_CODE=77"/>
    <system-out>skipped: npm is not installed &amp; not wanted
</system-out>
  </testcase>
</testsuite>
XML
cat >"$folder/release/gtest/cases.xml" <<'XML'
<testsuites>
    <testcase name="One" status="run" result="completed" classname="A" />
    <testcase name="Two" status="run" result="completed" classname="A">
      <failure message="1 is not 2"><![CDATA[1 is not 2]]></failure>
      <failure message="1 is not 3"><![CDATA[1 is not 3]]></failure>
    </testcase>
    <testcase name="Three" status="run" result="skipped" classname="A">
      <skipped message="/a folder/a.cc:3&#x0A;no GPU"><![CDATA[/a folder/a.cc:3]]></skipped>
    </testcase>
    <testcase name="DISABLED_Four" status="notrun" result="suppressed" classname="A" />
</testsuites>
XML
status=0
awk -f tools/summarise-tests.awk "$folder/release/tests.xml" >"$folder/found" || status=$?
sed "s|FOLDER|$folder|" >"$folder/expected" <<'TEXT'
Skipped:
  cases A.Three: no GPU
  absent: npm is not installed & not wanted
Failed:
  cases A.Two  (FOLDER/release/tests.log)
  crashed  (FOLDER/release/tests.log)
2 passed, 2 failed, 2 skipped
TEXT
diff -u "$folder/expected" "$folder/found"
[ "$status" -eq 1 ]

echo '<testsuite>' >"$folder/release/tests.xml"
status=0
awk -f tools/summarise-tests.awk "$folder/release/tests.xml" >"$folder/found" || status=$?
[ "$status" -eq 1 ]  # no tests at all is a failure
