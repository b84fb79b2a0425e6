# The operator's image: the programs, their libraries, the CA certificates, and nothing else.
#   docker build -t fondant-controller:0.1.0 .
# BASE is only what it is built on; any Debian 12 will do.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
RUN apt-get update \
	&& DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
		ca-certificates gcc libc6-dev libcurl4-openssl-dev libjansson-dev libssl-dev \
		libwebsockets-dev libyaml-dev make pkg-config \
	&& rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN make RELEASE=1 programs
# The certificates are the package's own: what this machine trusts besides stays outside.
RUN set -eu; \
	mkdir -p /image/etc/ssl/certs; \
	for program in build/fondant-controller build/kubectl-fondant build/fondant-merge; do \
		test -e "$program" || continue; \
		strip -o "/image/${program#build/}" "$program"; \
		ldd "$program" | grep -o '/[^ ]*' | while read -r library; do \
			mkdir -p "/image$(dirname "$library")"; \
			cp -L "$library" "/image$library"; \
		done; \
	done; \
	find /usr/share/ca-certificates -name '*.crt' -exec awk 1 {} + \
		> /image/etc/ssl/certs/ca-certificates.crt; \
	chmod -R a+rX /image; \
	loader=$(cd /image && find . -name 'ld-linux*.so.*' | head -n 1); \
	chroot /image "${loader#.}" --list /fondant-controller

FROM scratch
LABEL org.opencontainers.image.title="fondant-controller" \
	org.opencontainers.image.description="The Fondant operator" \
	org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image/ /
USER 65532:65532
ENTRYPOINT ["/fondant-controller"]
