/*
 * Where the processor begins after power-on: the shortest way to 64-bit mode, and the doors through
 * which it comes back to system.c. All this is read-only: what the processor would write into its
 * tables ("accessed", "dirty") is set already.
 */
#define CODE 0x08
#define DATA 0x10
#define STACK_TOP 0x200000 /* system.c's map of the memory has it too */

#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_FMASK 0xc0000084

/* ---- Tables ---------------------------------------------------------------------------------- */

    .section .boot, "ax"
    .balign 4096
boot:

/* The first 4 GiB in pages of 1 GiB, each where it is in the memory itself. */
page_map:
    .quad page_directories + 0x23
    .fill 511, 8, 0
page_directories:
    .irp gibibyte, 0, 1, 2, 3
    .quad \gibibyte << 30 | 0xe3
    .endr
    .fill 508, 8, 0

segments:
    .quad 0
    .quad 0x00209b0000000000 /* CODE, of 64 bits */
    .quad 0x0000930000000000 /* DATA */
segments_end:

/* All of .boot lies in the last 64 KiB below 4 GiB. */
gates:
    .set number, 0
    .rept 32
    .word exceptions - boot + 16 * number, CODE, 0x8e00, 0xffff, 0, 0, 0, 0
    .set number, number + 1
    .endr
gates_pointer:
    .word gates_pointer - gates - 1
    .quad gates

/* ---- Exceptions ------------------------------------------------------------------------------ */

    .code64
    .balign 16
exceptions:
    .set number, 0
    .rept 32
    .balign 16
    .if !(0x60227d00 >> number & 1) /* those that have an error code */
    pushq $0
    .endif
    pushq $number
    jmp exception
    .set number, number + 1
    .endr

exception:
    pop %rdi /* number */
    pop %rsi /* error code */
    pop %rdx /* address of the instruction */
    mov $STACK_TOP, %esp
    call system_exception

/* ---- System calls ---------------------------------------------------------------------------- */

/* Programs use 128 bytes below the end of their stack, and expect all registers but rax, rcx and
 * r11 as they were. This one runs with all rights, so that the way back is a jump. */
system_calls:
    lea -128(%rsp), %rsp
    push %rbp
    mov %rsp, %rbp
    push %rcx
    push %rdi
    push %rsi
    push %rdx
    push %r8
    push %r9
    push %r10
    mov %rax, %rcx
    and $-16, %rsp
    call system_call
    lea -56(%rbp), %rsp
    pop %r10
    pop %r9
    pop %r8
    pop %rdx
    pop %rsi
    pop %rdi
    pop %rcx
    pop %rbp
    lea 128(%rsp), %rsp
    jmp *%rcx

/* ---- The start ------------------------------------------------------------------------------- */

start64:
    mov $STACK_TOP, %esp
    mov $DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    lidt gates_pointer(%rip)

    xor %ecx, %ecx
    xor %edx, %edx
    mov $0xe7, %eax /* of x87, SSE, AVX and, in three parts, AVX-512 */
    xsetbv
    fninit

    mov $MSR_STAR, %ecx
    xor %eax, %eax
    mov $CODE, %edx
    wrmsr
    mov $MSR_LSTAR, %ecx
    lea system_calls(%rip), %eax
    xor %edx, %edx
    wrmsr
    mov $MSR_FMASK, %ecx
    xor %eax, %eax
    wrmsr

    call system_start /* where the program begins, and its stack */
    mov %rdx, %rsp
    xor %edx, %edx /* the program needs to call nothing at its end */
    xor %ebp, %ebp
    jmp *%rax

/* The last 256 bytes below 4 GiB; the processor begins 16 before their end, in 16-bit mode. */
    .section .reset, "ax"
    .code16
    .globl reset
reset:
    cli
    mov $0x40620, %eax /* OSXSAVE, OSXMMEXCPT, OSFXSR, PAE */
    mov %eax, %cr4
    mov $page_map, %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    mov $0x101, %eax /* long mode, syscall */
    xor %edx, %edx
    wrmsr
    lgdtl %cs:0xff00 + segments_pointer - reset
    mov $0x80000033, %eax /* paging, protection, the FPU with its errors as exceptions */
    mov %eax, %cr0
    ljmpl $CODE, $start64
segments_pointer:
    .word segments_end - segments - 1
    .long segments
    .org 0xf0
    jmp reset
    .org 0x100

/* ---- The program ----------------------------------------------------------------------------- */

    .section .program, "a"
    .globl program
program:
    .incbin "avx512_check"

    .section .note.GNU-stack, "", @progbits
