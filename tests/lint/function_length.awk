# SPDX-License-Identifier: MIT
# Prints "path function lines" of every function whose body has more lines than `host`, or `device` where it is a kernel or a device
# function: awk -v host=40 -v device=80 -f function_length.awk FILE... Lines between the braces are counted, of formatted text.
# Braces are followed outside comments, strings and preprocessor lines. One at the scope of a namespace or a type opens a body where the
# words before it have a parameter list; members of a constructor's list, initial values and requires-expressions do not.
function last_word(text) {
  sub(/[ \t]+$/, "", text)
  return match(text, /[A-Za-z_0-9]+$/) ? substr(text, RSTART) : ""
}
# What follows the bracket that closes the one at the start of the text.
function after_bracket(text, left, right,  level, i, c) {
  for (i = 1; i <= length(text); ++i) {
    c = substr(text, i, 1)
    level += (c == left) - (c == right && substr(text, i - 1, 2) != "->")
    if (level == 0) return substr(text, i + 1)
  }
  return ""
}
# A declaration without its template parameters and what they are required to be.
function undressed(text,  found) {
  for (;;) {
    sub(/^ +/, "", text)
    if (text ~ /^template *</) {
      sub(/^template */, "", text)
      text = after_bracket(text, "<", ">")
    } else if (text ~ /^(requires|&&|\|\|) *!* */) {
      sub(/^(requires|&&|\|\|) *!* */, "", text)
      if (text ~ /^\(/) text = after_bracket(text, "(", ")")
      while (match(text, /^(::)?[A-Za-z_0-9]+/)) {
        text = substr(text, RLENGTH + 1)
        if (text ~ /^</) text = after_bracket(text, "<", ">")
        if (text !~ /^::/) break
      }
    } else if (text ~ /^(public|private|protected) *:/) {
      sub(/^(public|private|protected) *:/, "", text)
    } else {
      return text
    }
  }
}
# The same without attributes and what else has parentheses before the name.
function plain(text,  head) {
  while (match(text, /(__launch_bounds__|alignas|decltype|__attribute__|explicit|noexcept) *\(/)) {
    head = substr(text, 1, RSTART - 1)
    text = head " " after_bracket(substr(text, RSTART + RLENGTH - 1), "(", ")")
  }
  return text
}
function name_of(text) {
  text = plain(text)
  if (match(text, /operator *[^A-Za-z_ ]+ *\(|operator *\(\) *\(/)) return "operator" substr(text, RSTART + 8, RLENGTH - 9)
  if (!match(text, /[~A-Za-z_][A-Za-z_0-9]* *\(/)) return "?"
  text = substr(text, RSTART, RLENGTH - 1)
  sub(/ +$/, "", text)
  return text
}
function type_name(text) {
  match(text, /(struct|class|union) +/)
  text = substr(text, RSTART + RLENGTH)
  sub(/^alignas\([^)]*\) */, "", text)
  match(text, /^[A-Za-z_0-9]+/)
  return substr(text, 1, RLENGTH)
}
function open_scope(its_name) {
  kind[depth] = "scope"
  name[depth] = its_name
}
# Whether the braces behind these words hold no statements of a function.
function is_value(text) {
  if (text ~ /^ *enum / || text !~ /\(/) return 1
  if (text ~ /(concept|using) / && text ~ /=/) return 1
  if (text ~ /[^=!<>]=[^=]/ && text !~ /operator/ && text !~ /\) *(const *)?(noexcept *)?(-> *[^=]*)?(requires [^=]*)?$/) return 1
  # a member in a constructor's list
  return text ~ /\)[^:]*[^:]:[^:]/ && last_word(text) !~ /^(const|noexcept|override|final|)$/
}
function open_brace() {
  words = said
  gsub(/[ \t]+/, " ", words)
  bare = undressed(words)
  ++depth
  if (depth > 1 && kind[depth - 1] != "scope") kind[depth] = "inner"
  else if (words ~ /(^|[ ;])(inline )?namespace( |$)/ || words ~ /extern +[0"]+ *$/) open_scope("")
  else if (bare ~ /^ *(typedef )?(struct|class|union) / && bare !~ /\) *(const|noexcept|->|:|$)/) open_scope(type_name(bare))
  else if (is_value(bare)) kind[depth] = "value"
  else {
    kind[depth] = "body"
    begin[depth] = FNR
    what[depth] = name_of(bare)
    limit[depth] = words ~ /__device__|__global__/ ? device : host
  }
  if (kind[depth] != "value") said = ""
}
function close_brace(  path, i) {
  if (depth == 0) return
  if (kind[depth] == "body" && FNR - begin[depth] - 1 > limit[depth]) {
    path = what[depth]
    for (i = depth - 1; i > 0; --i)
      if (kind[i] == "scope" && name[i] != "") path = name[i] "::" path
    print FILENAME, path, FNR - begin[depth] - 1
  }
  if (kind[depth] == "value") said = said " "
  else said = ""
  --depth
}
FNR == 1 { depth = 0; said = ""; comment = directive = conditions = other = 0 }
{
  line = $0
  if (!directive && line ~ /^[ \t]*#/) {  # of an #if and its #else the first
    if (line ~ /^[ \t]*# *if/) ++conditions
    else if (line ~ /^[ \t]*# *el/ && !other) other = conditions
    else if (line ~ /^[ \t]*# *endif/ && conditions-- == other) other = 0
  }
  if (directive || line ~ /^[ \t]*#/) { directive = line ~ /\\$/; next }
  if (other) next
  gsub(/\\./, "", line)
  gsub(/'[^']?'/, "0", line)  # characters; a separator of digits stands alone
  gsub(/"[^"]*"/, "0", line)
  sub(/\/\/.*/, "", line)
  while (match(line, /[{};]|\/\*|\*\//)) {
    token = substr(line, RSTART, RLENGTH)
    if (!comment) said = said substr(line, 1, RSTART - 1)
    line = substr(line, RSTART + RLENGTH)
    if (token == "/*") comment = 1
    else if (token == "*/") comment = 0
    else if (comment) continue
    else if (token == "{") open_brace()
    else if (token == "}") close_brace()
    else said = ""
  }
  if (!comment) said = said line " "
}
