#!/usr/bin/env bash
# Is there a Docker engine to work with, and if not, what is to be done? Installs one only where none is, after
# asking where somebody can answer. Exit code 0: an engine answers; 1: none does, and why has been said.
#
#   engine-advice.sh          look, explain, install if allowed
#   engine-advice.sh look     look and explain only
#   engine-advice.sh reach    print ok, denied, refused or absent, and the endpoint

# decide HOST REACH ENGINE CLIENT APT ROOT TTY: facts in, one word out. Pure, so that a table can test it.
#   HOST    default | named       named: DOCKER_HOST or a Docker context says where the engine is
#   REACH   ok | denied | refused | absent | remote      remote: only ssh or TLS leads there, so it was not asked
#   ENGINE  docker | desktop | podman | containerd | none      installed here, running or not
#   CLIENT  yes | no              a docker command
#   APT     yes | no              packages can be installed on this system
#   ROOT    yes | no              this user can become root
#   TTY     yes | no              somebody can answer a question
decide() {
  local host=$1 reach=$2 engine=$3 client=$4 apt=$5 root=$6 tty=$7
  case $reach in
    ok | remote) echo use; return ;;
    denied) echo explain-denied; return ;;
  esac
  # Somebody chose where the engine is. Another one here would not be what they meant.
  [ "$host" = default ] || { echo explain-named; return; }
  case $engine in
    none) ;;
    *) echo "explain-$engine"; return ;;
  esac
  # A docker command without an engine is somebody's set-up for a remote one, or half of one: Debian's engine
  # conflicts with the client of other sources and would remove it.
  [ "$client" = no ] || { echo explain-client; return; }
  # Something owns a socket where an engine's belongs, though no package or program of one is known.
  [ "$reach" = absent ] || { echo explain-stranger; return; }
  [ "$apt" = yes ] || { echo explain-absent; return; }
  [ "$root" = yes ] || { echo explain-absent; return; }
  if [ "$tty" = yes ]; then echo ask; else echo install; fi
}

# The test of the table sources this file for `decide` alone.
[ "${BASH_SOURCE[0]}" = "$0" ] || return 0

. "$(dirname "$0")/lib.sh"

any_package() {
  local package
  have dpkg-query || return 1
  for package in "$@"; do package_installed "$package" && return 0; done
  return 1
}

# Binaries and packages both: a package may have been configured away from the path, a binary may come from elsewhere.
engine_installed() {
  if have dockerd || [ -x /snap/bin/docker ] || any_package docker.io docker-ce docker-engine moby-engine; then
    echo docker
  elif [ -d /opt/docker-desktop ] || any_package docker-desktop; then
    echo desktop
  elif have podman || any_package podman; then
    echo podman
  elif have containerd || any_package containerd containerd.io; then
    echo containerd
  else
    echo none
  fi
}

client_installed() {
  if have docker || any_package docker-cli docker-ce-cli podman-docker; then echo yes; else echo no; fi
}

# Where the engine would be, and whether it answers. One program for both, because node is always here.
reach() { node scripts/engine-reach.mjs; }

apt_here() { if have apt-get; then echo yes; else echo no; fi; }
root_possible() { if [ "$(root_means)" = impossible ]; then echo no; else echo yes; fi; }
somebody_there() { if interactive; then echo yes; else echo no; fi; }
user_name() { id -un; }

# A new engine is not started by its package where there is no service manager (containers, chroots).
start_installed_engine() {
  local i
  if [ -d /run/systemd/system ]; then
    as_root systemctl enable --now docker >&2 || true
  else
    as_root service docker start >&2 || true
  fi
  for i in $(seq 1 50); do
    [ -S /var/run/docker.sock ] && return 0
    sleep 0.2
  done
  say "The engine is installed and did not start within 10 s (waited $i times)."
  note "Without a service manager, start it in another terminal: sudo dockerd"
}

install_engine() {
  say "No Docker engine is installed here: installing Debian's docker.io"
  install_packages "running containers" docker.io iptables
  start_installed_engine
  [ "$(id -u)" = 0 ] && return 0
  note "Only root and members of the group docker may use the engine, and a member can become root through it."
  if interactive && ask "Add $(user_name) to the group docker?"; then
    as_root usermod -aG docker "$(user_name)"
    note "Done. It holds from the next login; this run borrows the group for itself."
  else
    note "To allow it later: sudo usermod -aG docker $(user_name), then log in again."
  fi
}

explain() {
  local endpoint=$2
  case $1 in
    explain-denied)
      say "An engine is there, and $(user_name) may not use it ($endpoint)."
      note "Allow it, knowing that who may use the engine can become root: sudo usermod -aG docker $(user_name)"
      note "Then log in again, or for this terminal: newgrp docker"
      ;;
    explain-named)
      say "No engine answers at $endpoint, the place that DOCKER_HOST or the Docker context names."
      note "Start it there, or choose another: unset DOCKER_HOST, or docker context use default"
      ;;
    explain-docker)
      say "A Docker engine is installed and does not answer ($endpoint)."
      note "Start it: sudo systemctl start docker (without systemd: sudo service docker start)"
      note "What it says when it will not: sudo journalctl -u docker -n 50"
      ;;
    explain-desktop)
      say "Docker Desktop is installed and its engine does not answer."
      note "Start it: systemctl --user start docker-desktop, or from the menu of applications."
      ;;
    explain-podman)
      say "Podman is installed and its service does not answer."
      note "Start it for this user: systemctl --user enable --now podman.socket"
      note "Without systemd: podman system service --time=0 unix://\${XDG_RUNTIME_DIR}/podman/podman.sock"
      ;;
    explain-containerd)
      say "containerd is installed without Docker: it cannot be asked the way Docker can."
      note "Docker's engine uses containerd; installing one may replace the one that is there, so that is yours to decide:"
      note "https://docs.docker.com/engine/install or, where nothing else needs it: sudo apt-get install docker.io"
      ;;
    explain-client)
      say "There is a docker command ($(command -v docker || echo installed)) and no engine for it to talk to."
      note "If the engine is on another machine, say where: export DOCKER_HOST=ssh://user@host or docker context use NAME"
      note "If it should be here, install the engine from where the command came from; Debian's own would clash with it:"
      note "https://docs.docker.com/engine/install"
      ;;
    explain-stranger)
      say "Something left a socket at $endpoint and does not answer there as an engine would."
      note "If an engine of your own belongs there, start it; if nothing does, remove the file and start again."
      ;;
    explain-absent)
      say "No Docker engine is installed here, and it cannot be installed from here."
      if have apt-get; then
        note "As root: apt-get update && apt-get install -y --no-install-recommends docker.io"
      else
        note "https://docs.docker.com/engine/install"
      fi
      ;;
  esac
}

main() {
  local mode=${1:-act} host answer endpoint decision
  read -r host answer endpoint < <(reach) || die "the look for an engine failed" "node scripts/engine-reach.mjs"
  if [ "$mode" = reach ]; then
    echo "$answer $endpoint"
    return 0
  fi
  decision=$(decide "$host" "$answer" "$(engine_installed)" "$(client_installed)" "$(apt_here)" "$(root_possible)" \
    "$(somebody_there)")
  case $decision in
    use)
      if [ "$answer" = remote ]; then note "The engine is at $endpoint."; else note "The engine answers at $endpoint."; fi
      return 0
      ;;
    ask | install)
      if [ "$mode" = look ]; then
        say "No Docker engine is installed here. (make run offers to install one.)"
        return 1
      fi
      if [ "$decision" = ask ]; then
        say "No Docker engine is installed here. Tinyforge watches one; without it there is little to see."
        ask "Install Debian's docker.io?" || { note "Left as it is. make demo shows Tinyforge on a simulated engine."; return 1; }
      fi
      install_engine
      read -r host answer endpoint < <(reach)
      # Not yet allowed in this login: said by whoever borrows the group.
      [ "$answer" = ok ] || [ "$answer" = denied ]
      ;;
    *)
      explain "$decision" "$endpoint"
      return 1
      ;;
  esac
}

main "$@"
