"""What self_healing decides about kernels. Pure: (kernels, event, now) -> (kernels, actions).

state       what a kernel is: its phase, its newest run, the tally of its trouble
vocabulary  its events and actions
table       phase × event -> function; nothing else changes a phase
machine     all kernels of a home: what is due when, who depends on whom
exits, readiness, graph, ladder, orders, adoption   what the table decides by, one concern each
memory      what is stored of a kernel
view        the words of `status`
"""
