#!/bin/sh
# SPDX-License-Identifier: MIT
# texts.sh FILE...: C source of these text files as the table template_texts, line by line.
set -eu

echo '#include "template_texts.h"'
number=0
for file in "$@"; do
    number=$((number + 1))
    echo "static const char *const text_${number}[] = {"
    sed 's/\\/\\\\/g; s/"/\\"/g; s/.*/"&",/' "$file"
    echo 'NULL };'
done
echo 'const struct template_text template_texts[] = {'
number=0
for file in "$@"; do
    number=$((number + 1))
    name=${file##*/}
    echo "{ \"${name%.*}\", text_$number },"
done
echo '{ NULL, NULL } };'
