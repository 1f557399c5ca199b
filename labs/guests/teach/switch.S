/*
 * void switch_stack(uint32_t *save_esp, uint32_t load_esp)
 *
 * The whole of a context switch: what a C function may expect to survive a
 * call goes onto this stack, and comes back from the other one.
 */
.text
.global switch_stack
.type switch_stack, @function
switch_stack:
    mov     4(%esp), %eax
    mov     8(%esp), %edx
    push    %ebp
    push    %ebx
    push    %esi
    push    %edi
    mov     %esp, (%eax)
    mov     %edx, %esp
    pop     %edi
    pop     %esi
    pop     %ebx
    pop     %ebp
    ret

.section .note.GNU-stack, "", @progbits
