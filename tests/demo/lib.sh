# Functions of tests/demo/run: where the cluster comes from, and how progress is shown.

if [ -t 1 ]; then bold=$'\033[1m' plain=$'\033[0m'; else bold='' plain=''; fi
say() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }

cluster=tests/localcluster/cluster
export LOCALCLUSTER_REGISTRY_DIR=$root/.cache/registry

# --- a cluster of its own ---

local_cluster() {
    [ "$(id -u)" = 0 ] || { echo "demo: needs root for a cluster of its own; or set KUBECONFIG" >&2; exit 1; }
    kube() { "$cluster" exec demo -- kubectl "$@"; }
    helm_() { "$cluster" exec demo -- helm "$@"; }
    volume=$root/.cache/demo/volume
    example() { sed "s|/var/lib/fondant/clean-text|$volume|" < <(rendered "$1"); }
    say "Tools and images (minutes the first time)"
    tests/deps cluster images
    tests/localcluster/build
    tests/images/build
    read -r archive image < <(tests/operator-image | tail -1)
    say "Kubernetes with one node"
    "$cluster" up demo --node --registry
    "$cluster" exec demo -- "$root/tests/images/push"
    "$cluster" load demo "$archive"
    mkdir -p "$volume"
    install_operator "${image%:*}" "${image##*:}" Never
}

after_words() {
    [ -z "${own:-}" ] || return 0
    cat <<END
Look around:   $cluster exec demo -- kubectl get fpl,frun,jobs,pods -n demo
Once more:     make demo        (every step is cached)
Clean up:      make demo-down
END
}

# --- somebody's cluster ---

own_cluster() {
    own=1
    kube() { kubectl "$@"; }
    helm_() { helm "$@"; }
    if [ -z "${DEMO_REGISTRY:-}" ]; then
        echo "demo: with KUBECONFIG, set DEMO_REGISTRY=host/prefix: a registry that the cluster pulls from" >&2
        exit 2
    fi
    example() {
        rendered "$1" | sed -e "s|image: fndnt/|image: $DEMO_REGISTRY/fndnt/|" \
            -e "s|image: registry.example/|image: $DEMO_REGISTRY/|" \
            -e '/storageClassName: ""/d; /volumeName: clean-text-data/d'
    }
    say "Tools and images (minutes the first time)"
    tests/deps cluster images
    tests/images/build
    read -r archive image < <(tests/operator-image | tail -1)
    tests/images/push --registry "$DEMO_REGISTRY"
    skopeo copy -q "docker-archive:$archive" "docker://$DEMO_REGISTRY/fondant-operator:${image##*:}"
    install_operator "$DEMO_REGISTRY/fondant-operator" "${image##*:}" IfNotPresent
}

# --- both ---

install_operator() { # repository tag pullPolicy
    say "The operator, by Helm"
    helm_ upgrade --install fondant "$root/helm/fondant-operator" --namespace fondant-system \
        --create-namespace --wait --set "image.repository=$1" --set "image.tag=$2" \
        --set "image.pullPolicy=$3"
}

rendered() { # file of the example
    if [ "$1" = kustomization.yaml ]; then
        kube kustomize "$root/examples/clean-text"
    else
        cat "$root/examples/clean-text/$1"
    fi
}

# Prints a line whenever the status of the newest run changes; sets run and phase at its end.
follow() { # name of the run before
    local line last=
    while :; do
        run=$(kube get fpl -n demo clean-text -o 'jsonpath={.status.latestRun.name}')
        if [ -n "$run" ] && [ "$run" != "$1" ]; then
            phase=$(kube get frun -n demo "$run" -o 'jsonpath={.status.phase}')
            line=$(kube get frun -n demo "$run" -o 'go-template={{.status.phase}} {{.status.progress}}{{range .status.steps}}  {{.name}}={{.phase}}{{if .reason}} ({{.reason}}){{end}}{{end}}' 2> /dev/null || true)
            [ "$line" = "$last" ] || printf '%s  %s\n' "$(date +%T)" "$line"
            last=$line
            case $phase in Succeeded | Failed | Cancelled) return 0 ;; esac
        elif [ "$(kube get fpl -n demo clean-text -o 'jsonpath={.status.conditions[?(@.type=="Stalled")].status}')" = True ]; then
            kube get fpl -n demo clean-text -o 'jsonpath={.status.conditions[?(@.type=="Stalled")].message}'
            exit 1
        fi
        sleep 0.5
    done
}

# The first rows of what the last step wrote, read in the cluster with the example's own image.
show_rows() {
    kube delete job -n demo show-rows --ignore-not-found > /dev/null
    sed "s|IMAGE|$(kube get fco -n demo normalize-text -o 'jsonpath={.spec.image}')|" tests/demo/show-rows.yaml |
        kube apply -n demo -f - > /dev/null
    kube wait -n demo --for=condition=Complete job/show-rows --timeout=120s > /dev/null
    kube logs -n demo job/show-rows
}
