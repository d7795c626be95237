# SPDX-License-Identifier: MIT
# The listings of one file, appended to units in `out` (see run.sh). A header's listing is compiled behind the header.
function fault(what) { printf "%s:%d: %s\n", file, FNR, what; faults = 1 }
function words_of(info, i, count, word) {
  statements = continues = 0
  context = ""
  count = split(info, word, " ")
  language = word[1]
  for (i = 2; i <= count; ++i) {
    if (word[i] == "statements") statements = 1
    else if (word[i] == "continues") continues = 1
    else if (word[i] == "with" && i < count) context = word[++i]
    else fault("a word that listings do not know: " word[i])
  }
}
function close_scope() {
  if (scope != "") printf "%s", scope >> unit
  scope = ""
}
function add(    suffix, name) {
  suffix = language == "cuda" ? ".cu" : ".cpp"
  if (continues) {
    if (unit == "") fault("continues, and no listing is before it")
  } else {
    close_scope()
    name = file
    gsub(/[^A-Za-z0-9]/, "_", name)
    if (text ~ /(^|\n)#include/ && !statements && context == "") {
      unit = out "/alone_" name "_" first suffix
      printf "#line %d \"%s\"\n%s", first, file, text >> unit
      return
    }
    unit = out "/" (header ? "headers_" : "pages_") (context == "" ? "plain" : context) suffix
    print "#include <coefdyn/coefdyn.hpp>" >> unit
    if (header) printf "#include <%s>\n", substr(file, length("include/") + 1) >> unit
    if (context != "") printf "#include \"%s.hpp\"\n", context >> unit
    printf "%s", includes >> unit
    printf context == "" ? "namespace %s_%d {\nusing namespace coefdyn;\n" : "namespace coefdyn::listing::%s_%d {\n", name, first >> unit
    scope = "}\n"
  }
  if (statements && scope == "}\n") {
    print "inline void statements() {" >> unit
    scope = "}\n}\n"
  }
  printf "#line %d \"%s\"\n%s", first, file, text >> unit
}
# Lines of a fragment that belong outside of its scope; empty lines keep the numbers of the others.
function keep(line) {
  if (line ~ /^#include/ && (statements || context != "")) {
    includes = includes line "\n"
    line = ""
  }
  text = text line "\n"
}
BEGIN { header = file !~ /\.md$/ }
{
  line_text = $0
  if (header) {
    if (line_text !~ /^ *\/\/\//) {
      if (inside) fault("a listing without its end")
      inside = 0
      next
    }
    sub(/^ *\/\/\/ ?/, "", line_text)
  }
}
line_text ~ /^ *```/ {
  info = line_text
  sub(/^ *``` */, "", info)
  if (inside) {
    inside = 0
    if (kept) add()
    next
  }
  if (info == "") fault("a fence that does not say what it holds")
  inside = 1
  kept = info ~ /^(cpp|cuda)( |$)/
  words_of(info)
  text = includes = ""
  first = FNR + 1
  next
}
inside { keep(line_text); next }
header && line_text ~ /^  .*[)}];( |$)/ { fault("a statement outside of a listing") }
END {
  if (inside) fault("a listing without its end")
  close_scope()
  exit faults
}
