# Counts the results of `ctest --output-junit` files, case by case where a test program left its
# own report beside them (gtest/NAME.xml, see hearth_test in cmake/HearthModule.cmake).
# Prints skips and failures with reasons, then `N passed, M failed, K skipped`; the exit status is
# 1 when something failed or nothing passed.
#
#   awk -f summarise-tests.awk build/PRESET/tests.xml…

function attribute(line, name,    start, rest) {
  start = index(line, " " name "=\"")
  if (!start) return ""
  rest = substr(line, start + length(name) + 3)
  return substr(rest, 1, index(rest, "\"") - 1)
}

function plain(text) {
  gsub(/&#x0A;|&#10;/, " ", text)
  gsub(/&lt;/, "<", text)
  gsub(/&gt;/, ">", text)
  gsub(/&quot;/, "\"", text)
  gsub(/&apos;/, "'", text)
  gsub(/&amp;/, "\\&", text)
  gsub(/  +/, " ", text)
  sub(/^ +/, "", text)
  sub(/ +$/, "", text)
  return text
}

# A case's reason: GoogleTest puts the place of the call on a line before it.
function skip_reason(message) {
  sub(/^[^&]*\.cc:[0-9]+(&#x0A;|$)/, "", message)
  return plain(message)
}

function remember_skip(name, reason) {
  ++skipped
  skips = skips "  " name ": " (reason == "" ? "no reason given" : reason) "\n"
}

function remember_failure(name, log_file) {
  ++failed
  failures = failures "  " name "  (" log_file ")\n"
}

# Adds the cases of one GoogleTest report. Returns how many it holds, 0 without a report, and
# leaves the number of failed ones in case_failures.
function add_cases(program, report, log_file,    line, name, found, state) {
  found = case_failures = 0
  state = ""
  while ((getline line < report) > 0) {
    if (line ~ /^ *<testcase /) {
      name = program " " attribute(line, "classname") "." attribute(line, "name")
      if (line ~ /status="notrun"/) continue
      ++found
      state = "passed"
    }
    if (state == "passed" && line ~ /^ *<failure /) {
      ++case_failures
      remember_failure(plain(name), log_file)
      state = "failed"
    }
    if (state == "passed" && line ~ /^ *<skipped /) {
      remember_skip(plain(name), skip_reason(attribute(line, "message")))
      state = "skipped"
    }
    if (state != "" && (line ~ /<\/testcase>/ || line ~ /\/>$/ && line ~ /^ *<testcase /)) {
      if (state == "passed") ++passed
      state = ""
    }
  }
  close(report)
  return found
}

function finish_test(    label, report, cases) {
  if (test == "") return
  label = (preset == "release" ? "" : preset " ") test
  report = folder "/gtest/" test ".xml"
  cases = add_cases(label, report, folder "/tests.log")
  if (cases) {
    # For instance a leak that a sanitizer finds after the last case.
    if (status == "fail" && !case_failures) remember_failure(label, folder "/tests.log")
  } else if (status == "fail") {
    remember_failure(label, folder "/tests.log")
  } else if (status == "run") {
    ++passed
  } else {
    remember_skip(label, reason)
  }
  test = ""
}

FNR == 1 {
  finish_test()
  folder = FILENAME
  sub(/\/[^\/]*$/, "", folder)
  preset = folder
  sub(/^.*\//, "", preset)
}

/^[ \t]*<testcase / {
  finish_test()
  test = attribute($0, "name")
  status = attribute($0, "status")
  reason = ""
}

# A skipped test says why on a line `skipped: REASON`; GoogleTest ones say it in their report.
test != "" && /skipped: / && reason == "" {
  reason = $0
  sub(/^.*skipped: /, "", reason)
  sub(/<\/system-out>.*$/, "", reason)
  reason = plain(reason)
}

END {
  finish_test()
  if (skips != "") printf "Skipped:\n%s", skips
  if (failures != "") printf "Failed:\n%s", failures
  printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
  exit failed > 0 || passed == 0
}
