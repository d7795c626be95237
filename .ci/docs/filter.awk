# SPDX-License-Identifier: MIT
# What Doxygen reads of a file: its comments as this project writes them, in Doxygen's words.
#   a block above a `namespace` line            the file's
#   a comment behind a member                   the member's
#   `shape   n even` and the like in a block    an entry of a list
#   lines further in                            formulas, as they stand
#   ```cpp statements with call                 the words are for tests/listings/run.sh
#   a heading of a page, and links to it         a label with the page's name
#   COEFDYN_STREAM(q, query, .., "meaning")     a struct with that meaning
function put(line) {
  if (line == "") {
    flush()
    held = "\n"
  }
  else if (line ~ /^ *\/\/\/( |$)/) {
    block = 1
    held = held line "\n"
  } else {
    if (block && line ~ /^namespace coefdyn/) sub(/^\n/, "/// @file\n", held)
    flush()
    print line
  }
}
function flush() {
  printf "%s", held
  held = ""
  block = 0
}
function label(path) {
  gsub(/[^A-Za-z0-9]/, "_", path)
  return path
}
# As a page's links name a heading: small letters, hyphens.
function heading(line) {
  line = tolower(line)
  sub(/^#+ +/, "", line)
  gsub(/[^a-z0-9 -]/, "", line)
  gsub(/ /, "-", line)
  return line
}
function undocumented(name) { printf "%s:%d: warning: Concept %s is not documented.\n", FILENAME, FNR, name > "/dev/stderr" }
{ sub(/```(cpp|cuda).*/, "```cpp") }
FILENAME ~ /\.md$/ {
  if ($0 ~ /^ *```/) fenced = !fenced
  if (!fenced && $0 ~ /^##+ /) $0 = $0 " {#" label(substr(FILENAME, length(ENVIRON["PWD"]) + 2)) "-" heading($0) "}"
  while (match($0, /\]\([^)#:]+\.md#[^)]+\)/)) {
    split(substr($0, RSTART + 2, RLENGTH - 3), link, "#")
    $0 = substr($0, 1, RSTART) "(@ref " label(link[1]) "-" link[2] ")" substr($0, RSTART + RLENGTH)
  }
  print
  next
}
/^ *\/\/\/ *```/ { fenced = !fenced }
!/^ *\/\/\// { fenced = 0 }
!fenced && match($0, /^ *\/\/\/ [a-z_]+ +[^ ]/) {
  text = match($0, /\/\/\/ /) + RLENGTH
  match(substr($0, text), /^[a-z_]+ +/)
  key = substr($0, text, RLENGTH)
  if (length(key) == 8 || key ~ /  $/) {
    $0 = substr($0, 1, text - 1) "- **" substr(key, 1, index(key, " ") - 1) "** " substr($0, text + length(key))
    listed = 1
  } else listed = 0
}
!/^ *\/\/\/  / && !/^ *\/\/\/ - / { listed = formula = 0 }
!fenced && !listed && /^ *\/\/\/  +[^ ]/ {
  if (!formula) put("///") # a formula begins behind an empty line
  formula = 1
  sub(/\/\/\/ /, "///     ")
}
match($0, /^COEFDYN_STREAM\([^,]*,/) {
  name = substr($0, 16, RLENGTH - 16)
  match($0, /"[^"]*"/)
  $0 = "/** " substr($0, RSTART + 1, RLENGTH - 2) " */ struct " name " {};"
}
/^ +named</ { gsub(/"[^"]*"/, "\"\"") } # Doxygen ends a declaration at the semicolons within
# Doxygen 1.9.4 does not miss the block of a concept.
/^namespace / { internal = /detail|::cpu|::cuda/ }
/^ *concept / && !internal && !documented { undocumented($2) }
{ documented = /^ *\/\/\// || (documented && /^( *requires|template)/) }
/^[^\/]*[;,}] +\/\/ / { sub(/ \/\/ /, " ///< ") }
{ put($0) }
END { flush() }
