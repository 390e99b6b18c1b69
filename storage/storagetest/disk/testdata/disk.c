// A disk that can lose its power. Preloaded (LD_PRELOAD) into a program, it
// writes down what the program does to *.db and *.db-wal, so that a test can
// take back what was not synced when it killed the program:
//
//	DISK_JOURNAL  the file to append records to; none: nothing is written down
//	DISK_DELAY    microseconds that a sync takes
//	DISK_FAULT    while there is a file of this name, writes fail: read-only file system
//	DISK_LIES     set: a sync returns at once and makes nothing durable
//
// A record is a header and three byte strings: the file's name, what was there
// before the write, what was written. It is in the journal before the write is
// in the file, and a sync's record is there before the sync returns; so a kill
// in between errs to the side of losing more. A real sync is never done: who is
// killed keeps the page cache.
//
// -shm is left out: SQLite makes it anew. Directory entries are durable at once.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct header { // little-endian, as the machines are that this runs on
	uint32_t kind, name; // kind: 'W'rite, 'T'runcate, 'S'ync; name: its length
	uint64_t offset, size; // size: of the file before; for a sync: of the journal when it began
	uint32_t before, after;
};

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int journal = -1;

static void fail(const char *what) {
	perror(what);
	abort();
}

__attribute__((constructor)) static void begin(void) {
	const char *path = getenv("DISK_JOURNAL");
	if (path && (journal = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0)
		fail("the journal of the disk");
}

// watched finds the name of a file that can lose something.
static int watched(int fd, char *name, size_t room) {
	char link[64];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, name, room - 1);
	if (n < 4)
		return 0;
	name[n] = 0;
	return !strcmp(name + n - 3, ".db") || (n > 7 && !strcmp(name + n - 7, ".db-wal"));
}

static uint64_t size_of(int fd) {
	struct stat st;
	if (fstat(fd, &st))
		fail("fstat");
	return st.st_size;
}

static void append(struct header h, const char *name, const void *before, const void *after) {
	struct iovec parts[] = {{&h, sizeof h}, {(void *)name, h.name}, {(void *)before, h.before}, {(void *)after, h.after}};
	if (writev(journal, parts, 4) != (ssize_t)(sizeof h + h.name + h.before + h.after))
		fail("the journal of the disk");
}

static void note(uint32_t kind, int fd, uint64_t offset, const void *data, uint32_t after) {
	char name[4096];
	if (journal < 0 || !watched(fd, name, sizeof name))
		return;
	uint64_t size = size_of(fd);
	uint64_t end = kind == 'T' ? size : offset + after;
	uint64_t before = offset < size ? (end < size ? end : size) - offset : 0;
	void *old = malloc(before + 1);
	ssize_t (*read_at)(int, void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pread64");
	if (before && read_at(fd, old, before, offset) != (ssize_t)before)
		fail("reading what was there");
	append((struct header){kind, strlen(name), offset, size, before, after}, name, old, data);
	free(old);
}

// faulty reports whether a write to a watched file fails now.
static int faulty(int fd) {
	char name[4096];
	const char *fault = getenv("DISK_FAULT");
	if (!fault || access(fault, F_OK) || !watched(fd, name, sizeof name))
		return 0;
	errno = EROFS;
	return 1;
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t offset) {
	ssize_t (*real)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
	if (faulty(fd))
		return -1;
	pthread_mutex_lock(&turn);
	note('W', fd, offset, data, n);
	ssize_t done = real(fd, data, n, offset);
	pthread_mutex_unlock(&turn);
	return done;
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t offset) { return pwrite64(fd, data, n, offset); }

ssize_t write(int fd, const void *data, size_t n) {
	ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
	pthread_mutex_lock(&turn);
	off_t offset = lseek(fd, 0, SEEK_CUR);
	if (offset >= 0)
		note('W', fd, offset, data, n);
	ssize_t done = real(fd, data, n);
	pthread_mutex_unlock(&turn);
	return done;
}

int ftruncate64(int fd, off64_t size) {
	int (*real)(int, off64_t) = dlsym(RTLD_NEXT, "ftruncate64");
	if (faulty(fd))
		return -1;
	pthread_mutex_lock(&turn);
	note('T', fd, size, NULL, 0);
	int done = real(fd, size);
	pthread_mutex_unlock(&turn);
	return done;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

// What is written while a sync is under way is not covered by it.
static int synced(int fd) {
	char name[4096];
	const char *delay = getenv("DISK_DELAY");
	if (getenv("DISK_LIES"))
		return 0;
	uint64_t began = journal < 0 ? 0 : size_of(journal);
	if (delay)
		usleep(atoi(delay));
	if (journal < 0 || !watched(fd, name, sizeof name))
		return 0;
	pthread_mutex_lock(&turn);
	append((struct header){'S', strlen(name), 0, began, 0, 0}, name, NULL, NULL);
	pthread_mutex_unlock(&turn);
	return 0;
}

int fsync(int fd) { return synced(fd); }
int fdatasync(int fd) { return synced(fd); }
