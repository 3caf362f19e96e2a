/* The time of day moved by SHIFT seconds, for a whole tree of processes, whatever they are written in: LD_PRELOAD.

What counts seconds (the monotonic clock: timeouts, sleeping) goes on as it is. Debian's faketime moves both or stumbles
over Python's sleep (https://github.com/wolfcw/libfaketime/issues/426), and leaves the times of files where they are. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <utime.h>

/* `name(...)` as the C library has it. */
#define REAL(name) ({ static __typeof__(&name) real; if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name); real; })

/* Wall time is what lies after 2001: no machine has been up for so long. */
#define WALL(seconds) ((seconds) > 1000000000)

static struct timespec back(const struct timespec *deadline) {
  struct timespec found = *deadline;
  if (WALL(found.tv_sec)) found.tv_sec -= SHIFT;
  return found;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int failed = REAL(clock_gettime)(clock, now);
  if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += SHIFT;
  return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  int failed = REAL(gettimeofday)(now, zone);
  if (!failed && now) now->tv_sec += SHIFT;
  return failed;
}

time_t time(time_t *into) {
  time_t now = REAL(time)(0) + SHIFT;
  if (into) *into = now;
  return now;
}

int timespec_get(struct timespec *now, int base) {
  int found = REAL(timespec_get)(now, base);
  if (found == TIME_UTC) now->tv_sec += SHIFT;
  return found;
}

/* Waiting until a moment. */
int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left) {
  struct timespec moved = *until;
  if ((flags & TIMER_ABSTIME) && clock == CLOCK_REALTIME) moved.tv_sec -= SHIFT;
  return REAL(clock_nanosleep)(clock, flags, &moved, left);
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
  struct timespec moved = back(until);
  return REAL(sem_timedwait)(semaphore, &moved);
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex, const struct timespec *restrict until) {
  struct timespec moved = back(until);
  return REAL(pthread_mutex_timedlock)(mutex, &moved);
}

int pthread_cond_timedwait(
    pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex, const struct timespec *restrict until) {
  struct timespec moved = back(until);
  return REAL(pthread_cond_timedwait)(condition, mutex, &moved);
}

/* The times of files that were written since BEGUN: so Python finds what it has compiled before as it left it. A time
that was given to a file, and would be taken for one of those, stands as it was given if it is yet to come. */
static int made_here(time_t seconds) { return seconds >= BEGUN && seconds <= REAL(time)(0) + 1; }
static time_t seen(time_t stored) { return made_here(stored) ? stored + SHIFT : stored; }
static time_t stored(time_t seen) { return made_here(seen - SHIFT) ? seen - SHIFT : seen; }

static int see(int failed, struct stat *found) {
  if (!failed) {
    found->st_atime = seen(found->st_atime);
    found->st_mtime = seen(found->st_mtime);
    found->st_ctime = seen(found->st_ctime);
  }
  return failed;
}

#define STAT(name, arguments, ...) int name arguments { return see(REAL(name)(__VA_ARGS__), (struct stat *)found); }
STAT(stat, (const char *restrict path, struct stat *restrict found), path, found)
STAT(stat64, (const char *restrict path, struct stat64 *restrict found), path, found)
STAT(lstat, (const char *restrict path, struct stat *restrict found), path, found)
STAT(lstat64, (const char *restrict path, struct stat64 *restrict found), path, found)
STAT(fstat, (int file, struct stat *found), file, found)
STAT(fstat64, (int file, struct stat64 *found), file, found)
STAT(fstatat, (int folder, const char *restrict path, struct stat *restrict found, int flags), folder, path, found, flags)
STAT(fstatat64, (int folder, const char *restrict path, struct stat64 *restrict found, int flags), folder, path, found, flags)

int statx(int folder, const char *restrict path, int flags, unsigned mask, struct statx *restrict found) {
  int failed = REAL(statx)(folder, path, flags, mask, found);
  if (!failed) {
    found->stx_mtime.tv_sec = seen(found->stx_mtime.tv_sec);
    found->stx_btime.tv_sec = seen(found->stx_btime.tv_sec);
    found->stx_ctime.tv_sec = seen(found->stx_ctime.tv_sec);
  }
  return failed;
}

int utimensat(int folder, const char *path, const struct timespec times[2], int flags) {
  if (!times) return REAL(utimensat)(folder, path, times, flags);
  struct timespec moved[2] = {times[0], times[1]};
  for (int n = 0; n < 2; n++) moved[n].tv_sec = stored(moved[n].tv_sec);
  return REAL(utimensat)(folder, path, moved, flags);
}

int futimens(int file, const struct timespec times[2]) {
  if (!times) return REAL(futimens)(file, times);
  struct timespec moved[2] = {times[0], times[1]};
  for (int n = 0; n < 2; n++) moved[n].tv_sec = stored(moved[n].tv_sec);
  return REAL(futimens)(file, moved);
}
