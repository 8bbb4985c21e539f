# To be sourced. fetched PACKAGE VERSION [PATH...]: fetches a package of the npm registry, unless it is there, and prints
# the directory that it is in: build/PACKAGE-VERSION. With paths, these of its files alone. It is nobody's dependency:
# what the package is made or tried with, and a checkout does not need.
fetched() {
    fetched_package=$1
    fetched_version=$2
    shift 2
    fetched_place=build/$fetched_package-$fetched_version
    if [ ! -d "$fetched_place" ]; then
        rm -rf "$fetched_place.new"
        mkdir -p "$fetched_place.new"
        npm pack "$fetched_package@$fetched_version" --silent --pack-destination "$fetched_place.new" >&2 || return 1
        tar -xzf "$fetched_place.new/$fetched_package-$fetched_version.tgz" -C "$fetched_place.new" \
            --strip-components=1 "${@:-package}" || return 1
        rm "$fetched_place.new/$fetched_package-$fetched_version.tgz"
        # Another one may have been faster.
        mv -T "$fetched_place.new" "$fetched_place" 2>/dev/null || rm -rf "$fetched_place.new"
    fi
    echo "$PWD/$fetched_place"
}
