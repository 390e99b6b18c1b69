# An image with the program and nothing else: no shell, no package manager, no
# C library. See docs/operations.md for how to run it.
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .

# Without .git in the build context the version is "development".
RUN make static notices BUILDVCS=auto

# The image's files, as they will lie in it. What the server writes is in two
# directories, so that each gets a volume of its own: keys has the key-encryption
# key and the mark, store has the database that is worthless without them.
RUN mkdir -p dist/image/usr/local/bin dist/image/etc/ssl/certs dist/image/usr/share/doc/hallmark \
    && cp dist/hallmark dist/image/usr/local/bin/ \
    && cp LICENSE dist/THIRD_PARTY_LICENSES dist/image/usr/share/doc/hallmark/ \
    && cp /etc/ssl/certs/ca-certificates.crt dist/image/etc/ssl/certs/ \
    && echo 'hallmark:x:65532:65532:Hallmark:/var/lib/hallmark:/sbin/nologin' > dist/image/etc/passwd \
    && echo 'hallmark:x:65532:' > dist/image/etc/group \
    && mkdir -p -m 0700 dist/state/keys dist/state/store

FROM scratch
LABEL org.opencontainers.image.title="Hallmark" \
      org.opencontainers.image.description="An OAuth 2.0 token server" \
      org.opencontainers.image.source="https://github.com/hallmark-auth/hallmark" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /src/dist/image/ /
COPY --from=build --chown=65532:65532 /src/dist/state/ /var/lib/hallmark/
ENV HALLMARK_LISTEN=:8080 \
    HALLMARK_DATA=/var/lib/hallmark/keys \
    HALLMARK_STORE=/var/lib/hallmark/store/hallmark.db \
    HALLMARK_SEEN_FILE=/var/lib/hallmark/keys/kek.seen
VOLUME ["/var/lib/hallmark/keys", "/var/lib/hallmark/store"]
# The operators' listener stays on the container's loopback: ask it with docker exec.
EXPOSE 8080
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["hallmark", "ready"]
ENTRYPOINT ["hallmark"]
CMD ["serve"]
