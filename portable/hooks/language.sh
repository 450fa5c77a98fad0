# shellcheck shell=bash
# What a person reads, in the reader's language: English as it stands where it is said, or Chinese from zh_CN.po beside this
# file. Sourced. `pack` says by PACK_LANG which it is; without it the environment does (POSIX, Base Definitions, 8.2).

declare -A CHINESE=()

# In gettext's PO format, with each text in one line and without quotes in it.
read_chinese() {
    local line text=''
    while IFS= read -r line; do
        case $line in
            'msgid "'?*) text=${line#msgid \"} text=${text%\"} ;;
            'msgstr "'*) [[ -z $text ]] || { line=${line#msgstr \"} CHINESE[$text]=${line%\"} text=''; } ;;
        esac
    done <"${BASH_SOURCE[0]%/*}/zh_CN.po"
}

case ${PACK_LANG:-${LC_ALL:-${LC_MESSAGES:-${LANG-}}}} in zh | zh[_.@-]*) read_chinese ;; esac

# t TEXT [VALUE...]: TEXT, which is printf's, in the reader's language.
t() {
    # shellcheck disable=SC2059 # a text of ours, or its translation
    printf -- "${CHINESE[$1]-$1}" "${@:2}"
}
