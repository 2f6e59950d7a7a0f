#!/bin/sh
# Written by Fawkes at each start. It judges a push before any reference moves: what it refuses leaves nothing behind.
#
# FAWKES_EPOCH       of the platform that took the push, and the file with that of the one that runs
# FAWKES_PROTECTED   rules: pattern:allow_force:allow_delete, separated by spaces
# FAWKES_REPOSITORY  owner/name, for messages
set -f
if test "$1" = --works; then
    printf 'works\n'
    exit 0
fi
epoch=
if test -r "$FAWKES_EPOCH_FILE"; then read -r epoch <"$FAWKES_EPOCH_FILE"; fi
if test -z "$FAWKES_EPOCH" || test "$epoch" != "$FAWKES_EPOCH"; then
    printf 'The platform was started again while this was pushed. Nothing was changed: push once more.\n' >&2
    exit 1
fi
zero=0000000000000000000000000000000000000000
refused=0
refuse() {
    printf 'Refused: %s\n' "$1" >&2
    refused=1
}
while read -r old new ref; do
    case "$ref" in
    refs/heads/?*) branch=${ref#refs/heads/} ;;
    refs/tags/?*) continue ;;
    *)
        refuse "$ref is neither a branch nor a tag; only refs/heads/ and refs/tags/ are kept here."
        continue
        ;;
    esac
    change=
    if test "$new" = "$zero"; then
        change=delete
    elif test "$old" != "$zero" && ! git merge-base --is-ancestor "$old" "$new" 2>/dev/null; then
        change=force
    fi
    test -n "$change" || continue
    for rule in $FAWKES_PROTECTED; do
        delete=${rule##*:}
        rest=${rule%:*}
        force=${rest##*:}
        pattern=${rest%:*}
        # shellcheck disable=SC2254 # the pattern is meant as one
        case "$branch" in
        $pattern) ;;
        *) continue ;;
        esac
        if test "$change" = force && test "$force" != 1; then
            refuse "the branch $branch of $FAWKES_REPOSITORY is protected by the rule \"$pattern\": its history cannot be replaced (force push). Put new commits on top, or have an admin set allow_force."
            break
        fi
        if test "$change" = delete && test "$delete" != 1; then
            refuse "the branch $branch of $FAWKES_REPOSITORY is protected by the rule \"$pattern\": it cannot be deleted. Have an admin set allow_delete."
            break
        fi
    done
done
exit "$refused"
