# shellcheck shell=bash
# What `docker` means in a line of the docs that a test types: this machine's engine, and the test's project.
#
# Sourced with ENGINE (docker or podman), PROJECT (its name) and COMPOSE (the words of the engine's compose).
docker() {
    local kind=$1 options=() command
    shift
    if [[ $kind != compose ]]; then
        "$ENGINE" "$kind" "${@/#daydreaming_/"${PROJECT}_"}"
        return
    fi
    while [[ $1 == -* ]]; do # all that the docs use take a value
        options+=("$1" "$2")
        shift 2
    done
    command=$1
    shift
    case $command in # a test has no terminal
        run | exec) [[ $1 == -T ]] || set -- -T "$@" ;;
    esac
    if [[ $ENGINE == podman ]]; then
        case $command in
            # podman 4 cannot start a container whose dependency's dependency runs already.
            run) set -- --no-deps "$@" && options+=(--profile cli) ;;
            up) set -- --no-deps "$@" ;;
            cp) # podman-compose has none
                podman cp "${PROJECT}_${1/:/_1:}" "$2"
                return
                ;;
        esac
        options+=(--podman-build-args=--network=host)
    fi
    "${COMPOSE[@]}" "${options[@]}" "$command" "$@"
}
# Where there is no sudo, none is needed.
command -v sudo >/dev/null || sudo() { "$@"; }
