/*
 * The least of an operating system: what one static Linux program needs that takes memory, prints
 * and ends. With boot.S, and the program in it, it is the ROM of a PC that has nothing else; see
 * avx512.sh. Output goes to the first serial port.
 *
 * Being a ROM, it has no variables but those in struct memory. The memory:
 *
 *     0x00010000   struct memory
 *     0x00200000   end of the system's stack
 *     0x00400000   end of the program's stack; the program (as linked by default), its heap
 *     0x10000000   what it maps
 *     0x20000000   end
 */
#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#define ARCH_SET_FS 0x1002
#define MSR_FS_BASE 0xc0000100

enum {
    PAGE = 4096,
    MEMORY = 0x10000,
    STACK_END = 0x400000,
    MAPS = 0x10000000,
    MAPS_END = 0x20000000
};

struct memory {
    uint64_t heap, heap_end, map_end;
};

static struct memory *const memory = (struct memory *)MEMORY;

/* What system.c and boot.S have of each other. */
#pragma GCC visibility push(hidden)
struct begin {
    uint64_t entry, stack;
};
struct begin system_start(void);
int64_t system_call(uint64_t a, uint64_t b, uint64_t c, uint64_t number);
_Noreturn void system_exception(uint64_t number, uint64_t error, uint64_t address);
extern const uint8_t program[];
#pragma GCC visibility pop

/* The compiler calls these two of its own accord. */
void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    void *at = to;
    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(size) : : "memory");
    return to;
}

void *memset(void *to, int value, size_t size)
{
    void *at = to;
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(value) : "memory");
    return to;
}

/* ---- Devices --------------------------------------------------------------------------------- */

static void out(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "d"(port));
}

static uint8_t in(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "d"(port));
    return value;
}

enum {
    SERIAL_DATA = 0x3f8,
    SERIAL_FORMAT = SERIAL_DATA + 3,
    SERIAL_STATUS = SERIAL_DATA + 5,
    EIGHT_BITS = 3,
    IS_SENT = 0x40
};

/* Waits until it has left: the PC may be switched off right behind it. */
static void print(char letter)
{
    out(SERIAL_DATA, (uint8_t)letter);
    while ((in(SERIAL_STATUS)&IS_SENT) == 0) {
    }
}

static void say(const char *text)
{
    while (*text != '\0') print(*text++);
}

static void say_number(uint64_t number)
{
    say("0x");
    for (int shift = 60; shift >= 0; shift -= 4)
        if (number >> shift > 0 || shift == 0) print("0123456789abcdef"[number >> shift & 15]);
}

/* Bochs's way to switch the PC off. */
static _Noreturn void switch_off(void)
{
    for (const char *at = "Shutdown"; *at != '\0'; at++) out(0x8900, (uint8_t)*at);
    for (;;) __asm__ volatile("hlt");
}

void system_exception(uint64_t number, uint64_t error, uint64_t address)
{
    say("system: exception ");
    say_number(number);
    say(", error code ");
    say_number(error);
    say(", at ");
    say_number(address);
    say("\n");
    switch_off();
}

static _Noreturn void end(uint64_t status)
{
    say("system: ended with ");
    say_number(status);
    say("\n");
    switch_off();
}

/* ---- System calls ---------------------------------------------------------------------------- */

static int64_t write(const char *text, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++) print(text[i]);
    return (int64_t)size;
}

/* The C library expects zeros. */
static int64_t set_heap_end(uint64_t wanted)
{
    if (wanted < memory->heap || wanted > MAPS) return (int64_t)memory->heap_end;
    if (wanted > memory->heap_end) memset((void *)memory->heap_end, 0, wanted - memory->heap_end);
    memory->heap_end = wanted;
    return (int64_t)wanted;
}

/* Nothing is given back: programs map little, and the machine has enough. */
static int64_t map(uint64_t size)
{
    const uint64_t begin = memory->map_end;
    size = (size + PAGE - 1) / PAGE * PAGE;
    if (size > MAPS_END - begin) return -ENOMEM;
    memory->map_end += size;
    return (int64_t)begin;
}

static int64_t set_thread(uint64_t code, uint64_t address)
{
    if (code != ARCH_SET_FS) return -EINVAL;
    __asm__ volatile("wrmsr"
                     :
                     : "c"(MSR_FS_BASE), "a"((uint32_t)address), "d"((uint32_t)(address >> 32)));
    return 0;
}

/* The rest are questions that the C library can do without an answer to. */
int64_t system_call(uint64_t a, uint64_t b, uint64_t c, uint64_t number)
{
    switch (number) {
    case SYS_write: return write((const char *)b, c);
    case SYS_brk: return set_heap_end(a);
    case SYS_mmap: return map(b);
    case SYS_munmap:
    case SYS_mprotect: return 0;
    case SYS_arch_prctl: return set_thread(a, b);
    case SYS_exit:
    case SYS_exit_group: end(a);
    default: return -ENOSYS;
    }
}

/* ---- The program ----------------------------------------------------------------------------- */

static void load(const Elf64_Ehdr *elf)
{
    const Elf64_Phdr *parts = (const Elf64_Phdr *)(program + elf->e_phoff);
    for (unsigned i = 0; i < elf->e_phnum; i++) {
        const Elf64_Phdr *part = &parts[i];
        if (part->p_type != PT_LOAD) continue;
        uint8_t *to = (uint8_t *)part->p_vaddr;
        memcpy(to, program + part->p_offset, part->p_filesz);
        memset(to + part->p_filesz, 0, part->p_memsz - part->p_filesz);
        const uint64_t part_end = part->p_vaddr + part->p_memsz;
        if (part_end > memory->heap) memory->heap = (part_end + PAGE - 1) / PAGE * PAGE;
    }
}

/* Arguments, no environment, and what the C library wants to know of its own program. */
static uint64_t make_stack(const Elf64_Ehdr *elf)
{
    static const char *const arguments[] = {ARGUMENTS, NULL};
    static const uint8_t random[16];
    enum { ARGUMENT_COUNT = sizeof arguments / sizeof *arguments };
    const uint64_t about[] = {AT_PHDR,   (uint64_t)(program + elf->e_phoff),
                              AT_PHNUM,  elf->e_phnum,
                              AT_PHENT,  elf->e_phentsize,
                              AT_PAGESZ, PAGE,
                              AT_RANDOM, (uint64_t)random,
                              AT_NULL,   0};
    const size_t size = (1 + ARGUMENT_COUNT + 1) * 8 + sizeof about;
    uint64_t *stack = (uint64_t *)((STACK_END - size) / 16 * 16);
    stack[0] = ARGUMENT_COUNT - 1;
    memcpy(stack + 1, arguments, sizeof arguments);
    stack[1 + ARGUMENT_COUNT] = 0;
    memcpy(stack + 1 + ARGUMENT_COUNT + 1, about, sizeof about);
    return (uint64_t)stack;
}

struct begin system_start(void)
{
    const Elf64_Ehdr *elf = (const Elf64_Ehdr *)program;
    *memory = (struct memory){.map_end = MAPS};
    out(SERIAL_FORMAT, EIGHT_BITS);
    load(elf);
    memory->heap_end = memory->heap;
    return (struct begin){elf->e_entry, make_stack(elf)};
}
