# Read by cmd/run and tests/run: the Debian and Ubuntu packages by group, and how they are installed.
# shellcheck shell=sh

packages_of() {
  case $1 in
    build) # to build and run bpgraph; it opens libopenblas.so.0 by itself and starts `dot`
      echo gcc g++ cmake ninja-build pkg-config libyaml-dev libminizip-dev zlib1g-dev \
        libgraphviz-dev graphviz fonts-liberation libopenblas0-pthread ;;
    test) # for ctest
      echo libcmocka-dev bats jq strace libxml2-utils python3 python3-jsonschema python3-junitparser \
        python3-numpy python3-ruamel.yaml python3-yaml ;;
    full) # for tests/run --full
      echo chromium clang clang-format clang-tidy libclang-rt-dev llvm shellcheck valgrind libc6-dbg ;;
  esac
}

# need_packages GROUP...: installs what these groups lack. Fails, with a list, where it cannot.
# With BPGRAPH_SKIP_INSTALL set it trusts that all is there.
need_packages() {
  [ -z "${BPGRAPH_SKIP_INSTALL-}" ] || return 0
  need_names=$(for need_group; do packages_of "$need_group"; done)
  # shellcheck disable=SC2016,SC2086 # dpkg-query expands the format; names are words
  need_have=$(dpkg-query -W -f ' ${Package}=${db:Status-Status} ' $need_names 2>/dev/null)
  need_lacking=''
  for need_name in $need_names; do
    case $need_have in
      *" $need_name=installed "*) ;;
      *) need_lacking="$need_lacking $need_name" ;;
    esac
  done
  [ -n "$need_lacking" ] || return 0

  if ! command -v apt-get >/dev/null; then
    need_reason='no apt-get here; install the like of these'
  elif [ "$(id -u)" -eq 0 ]; then
    need_reason=''
    need_sudo=''
  elif command -v sudo >/dev/null; then
    need_reason=''
    need_sudo=sudo
  else
    need_reason='neither root nor sudo; install these'
  fi
  if [ -z "$need_reason" ]; then
    echo "Installing:$need_lacking"
    $need_sudo apt-get -qq update
    # shellcheck disable=SC2086
    $need_sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=600 \
      -o Dpkg::Use-Pty=0 --no-install-recommends install $need_lacking && return 0
    need_reason='apt-get failed; install these'
  fi
  printf '%s:\n %s\n' "$need_reason" "$need_lacking"
  echo 'With BPGRAPH_SKIP_INSTALL=1 nothing is checked or installed.'
  return 1
} >&2 </dev/null
