# What Doxygen reads instead of a header: the same lines, in words that it knows.
# The comment at the top of a file describes the file.
1s|^#pragma once$|/// \\file|
# Doxygen 1.9 takes `namespace etl::inline v0` for a namespace `v0`.
s/::inline v0//
# In a comment `#DIV` is no link, and `\udc80` no command.
/\/\/\//s/#\([A-Z]\)/\\#\1/g
/\/\/\//s/\\u\([0-9a-f]\)/\\\\u\1/g
# A name in backticks in a comment becomes a link to what it names.
/\/\/\//s/`\([A-Za-z][A-Za-z0-9_:]*\(()\)\{0,1\}\)`/<code>\1<\/code>/g
