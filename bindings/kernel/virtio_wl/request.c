// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The out queue: one request and one answer each, in struct wl_request, which
 * belongs to its waiter and to the queue together, so that a killed waiter need
 * not wait for the device. Answers that end a vfd go on to wl_reap(), which may
 * sleep. A blocking sender waits for the answer, and gets the device's error at
 * once; with O_NONBLOCK, where nothing may wait for a slow server, a few
 * transactions of a vfd may be under way, and an error is told at the next one.
 *
 * An answer that nobody waits for costs no interrupt: it lies in the queue until
 * the next one who sends, polls or closes takes it. Interrupts are on while
 * somebody waits: for an answer, for room in the queue, for one of a vfd's
 * transactions to end, or for the vfds that a transaction brought along to be let
 * go of; and while what lies there takes more than WL_UNAWAITED_MAX.
 *
 * A vfd that is closed does not wait for its transactions: the answer of one whose
 * server does not read comes with the CLOSE, and might never come without.
 */

#include <linux/file.h>
#include <linux/lockdep.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "virtio_wl.h"

/* creates: the answer is to say what was made. */
static int wl_answer_error(u32 type, bool creates)
{
	switch (type) {
	case WL_RESP_OK:
		return creates ? -EPROTO : 0;
	case WL_RESP_VFD_NEW:
	case WL_RESP_VFD_NEW_DMABUF:
		return creates ? 0 : -EPROTO;
	case WL_RESP_ERR:
		return -ENODEV;
	case WL_RESP_OUT_OF_MEMORY:
		return -ENOMEM;
	case WL_RESP_INVALID_ID:
		return -ENOENT;
	case WL_RESP_INVALID_TYPE:
		return -EINVAL;
	case WL_RESP_INVALID_FLAGS:
		return -EPERM;
	case WL_RESP_INVALID_CMD:
		return -ENOTTY;
	default:
		return -EPROTO;
	}
}

struct wl_request *wl_request_new(struct wl_device *wl, size_t length, unsigned int answer_size)
{
	struct wl_request *req;

	req = kzalloc(struct_size(req, body, length), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!req)
		return NULL;
	kref_init(&req->ref);
	req->wl = wl;
	INIT_LIST_HEAD(&req->link);
	init_completion(&req->done);
	req->length = length;
	req->answer_size = answer_size;
	return req;
}

static void wl_request_free(struct kref *ref)
{
	struct wl_request *req = container_of(ref, struct wl_request, ref);

	while (req->file_count)
		fput(req->files[--req->file_count]);
	kfree(req->files);
	kfree(req);
}

void wl_request_put(struct wl_request *req)
{
	kref_put(&req->ref, wl_request_free);
}

/*
 * The queue's part in the request ends. Under out_lock. Only a NEW's answer must be longer
 * than its type: crosvm's device writes no more of the others.
 */
void wl_request_answered(struct wl_request *req, unsigned int written, int error)
{
	struct wl_device *wl = req->wl;
	bool awaited = req->awaited;

	lockdep_assert_held(&wl->out_lock);
	list_del_init(&req->link);
	if (awaited)
		wl->awaited--;
	wl->unawaited_bytes -= req->unawaited;
	req->awaited = false;
	req->unawaited = 0;
	req->written = min(written, req->answer_size);
	if (!error && req->written < sizeof(req->answer.header.type))
		error = -EPROTO;
	if (!error)
		error = wl_answer_error(le32_to_cpu(READ_ONCE(req->answer.header.type)),
					req->answer_size > sizeof(req->answer.header));
	req->error = error;
	if (req->vfd && !req->closes)
		req->vfd->known = !error;
	if (req->sender) {
		req->sender->sends--;
		if (error)
			req->sender->send_error = error;
		if (awaited) {
			/* Who waits for more than this one says so again. */
			req->sender->sends_awaited = false;
			wake_up_all(&req->sender->in_wait);
		}
	}
	if (req->closes || req->abandoned) {
		list_add_tail(&req->link, &wl->answered);
		wl_schedule(wl, &wl->reap_work);
	} else {
		complete(&req->done);
		wl_request_put(req);
	}
}

/* Somebody waits for the answer, or would lack what the request holds. Under out_lock. */
static void wl_request_await(struct wl_request *req)
{
	if (req->awaited)
		return;
	req->awaited = true;
	req->wl->awaited++;
	req->wl->unawaited_bytes -= req->unawaited;
	req->unawaited = 0;
}

static void wl_request_count(struct wl_request *req)
{
	struct wl_device *wl = req->wl;
	size_t size = sizeof(*req) + req->length;

	if (!req->sender || req->sender->sends_awaited || req->file_count ||
	    wl->unawaited_bytes + size > WL_UNAWAITED_MAX) {
		wl_request_await(req);
	} else {
		req->unawaited = size;
		wl->unawaited_bytes += size;
	}
}

/* Under out_lock. -ENOSPC: no room; anything else but 0: not queued, and never will be. */
int wl_request_add(struct wl_device *wl, struct wl_request *req)
{
	struct scatterlist out, in, *sgs[] = { &out, &in };
	int ret;

	lockdep_assert_held(&wl->out_lock);
	if (wl->gone)
		return -ENODEV;
	sg_init_one(&out, req->body, req->length);
	sg_init_one(&in, &req->answer, req->answer_size);
	ret = virtqueue_add_sgs(wl->out, sgs, 1, 1, req, GFP_ATOMIC);
	if (!ret) {
		list_add_tail(&req->link, &wl->flying);
		wl_request_count(req);
	} else if (ret == -ENOSPC) {
		wl->starved = true;
	} else if (ret == -ENOMEM) {
		/* No memory for an indirect table just now. Something in the queue will wake us. */
		if (wl->out->num_free < virtqueue_get_vring_size(wl->out)) {
			wl->starved = true;
			ret = -ENOSPC;
		}
	} else {
		ret = -ENODEV;
	}
	return ret;
}

/*
 * Takes the answers that are there, lets in who found no room, and leaves interrupts on where
 * somebody waits still. Under out_lock.
 *
 * interrupted: before 6.4, disable_cb() does nothing after an interrupt until enable_cb() was
 * called, so that is called also where nobody waits.
 */
static void wl_out_turn(struct wl_device *wl, bool interrupted)
{
	struct virtqueue *vq = wl->out;
	struct wl_request *req, *next;
	bool taken = false, kick = false;
	unsigned int written;

	lockdep_assert_held(&wl->out_lock);
	do {
		virtqueue_disable_cb(vq);
		while ((req = virtqueue_get_buf(vq, &written))) {
			wl_request_answered(req, written, 0);
			taken = true;
		}
		list_for_each_entry_safe(req, next, &wl->backlog, link) {
			list_del_init(&req->link);
			if (wl_request_add(wl, req)) {
				list_add(&req->link, &wl->backlog);
				break;
			}
			kick = true;
		}
		if (taken && wl->starved) {
			wl->starved = false;
			wake_up_all(&wl->out_wait);
		}
		wl->watched = wl->awaited || wl->starved || !list_empty(&wl->backlog);
	} while ((wl->watched || interrupted) && !virtqueue_enable_cb(vq) &&
		 !virtqueue_is_broken(vq));
	if (!wl->watched)
		virtqueue_disable_cb(vq);
	if (virtqueue_is_broken(vq))
		wl_request_break(wl);
	else if (kick)
		virtqueue_kick(vq);
}

/* Takes the answers that no interrupt tells of. Under out_lock. */
void wl_out_catch_up(struct wl_device *wl)
{
	if (!wl->watched && !wl->gone && !list_empty(&wl->flying))
		wl_out_turn(wl, false);
}

/* After somebody began to wait: interrupts are on from here on. Under out_lock. */
void wl_out_settle(struct wl_device *wl)
{
	if (wl->awaited || wl->starved || !list_empty(&wl->backlog))
		wl_out_catch_up(wl);
}

/* Somebody waits for one of the vfd's transactions to end. Under out_lock. */
void wl_sends_await(struct wl_vfd *vfd)
{
	struct wl_device *wl = vfd->wl;
	struct wl_request *req;

	wl_out_catch_up(wl);
	/* Those that come while somebody waits already are awaited from the first. */
	if (!vfd->sends || vfd->sends_awaited)
		return;
	vfd->sends_awaited = true;
	list_for_each_entry(req, &wl->flying, link) {
		if (req->sender == vfd)
			wl_request_await(req);
	}
	wl_out_settle(wl);
}

/*
 * The vfd ends, before its transactions do. The device has them in the queue before the CLOSE.
 * Under out_lock.
 */
void wl_sends_abandon(struct wl_vfd *vfd)
{
	struct wl_request *req;

	lockdep_assert_held(&vfd->wl->out_lock);
	if (!vfd->sends)
		return;
	list_for_each_entry(req, &vfd->wl->flying, link) {
		if (req->sender == vfd)
			req->sender = NULL;
	}
}

/*
 * How much of the queue must be free for a SEND, which only a server's reading may end: so much
 * is left for closes, which end all of a vfd's, and for what else the device answers at once. A
 * vfd that has others under way leaves more, to those that have none. Under out_lock.
 */
unsigned int wl_sends_spare(struct wl_device *wl, bool others)
{
	return virtqueue_get_vring_size(wl->out) / (others ? 2 : 4);
}

static bool wl_request_fits(struct wl_device *wl, const struct wl_request *req)
{
	const struct wl_header *header = (const struct wl_header *)req->body;

	if (wl->gone || header->type != cpu_to_le32(WL_CMD_SEND))
		return true;
	return wl->out->num_free > wl_sends_spare(wl, req->sender && req->sender->sends > 1);
}

int wl_request_try(struct wl_device *wl, struct wl_request *req)
{
	unsigned long flags;
	int ret = -ENOSPC;

	spin_lock_irqsave(&wl->out_lock, flags);
	wl_out_catch_up(wl);
	/* Closes that wait go first: they free ids and memory. */
	if ((list_empty(&wl->backlog) || wl->gone) && wl_request_fits(wl, req))
		ret = wl_request_add(wl, req);
	if (ret == -ENOSPC)
		wl->starved = true;
	if (!ret)
		kref_get(&req->ref);
	wl_out_settle(wl);
	/* A device may not be removed under our notification. */
	if (!ret && virtqueue_kick_prepare(wl->out))
		virtqueue_notify(wl->out);
	spin_unlock_irqrestore(&wl->out_lock, flags);
	return ret;
}

/*
 * Queues the request. Waits for room, unless nonblock; a signal ends the waiting, and
 * nothing has happened then.
 */
int wl_request_queue(struct wl_device *wl, struct wl_request *req, bool nonblock)
{
	int ret = wl_request_try(wl, req);
	int interrupted;

	if (ret != -ENOSPC)
		return ret;
	if (nonblock)
		return -EAGAIN;
	interrupted = wait_event_interruptible(wl->out_wait,
					       (ret = wl_request_try(wl, req)) != -ENOSPC);
	return interrupted ? -ERESTARTSYS : ret;
}

/*
 * Waits for the answer. What was queued cannot be taken back, and doing it again
 * would do it twice, so only a deadly signal ends this wait early.
 */
int wl_request_wait(struct wl_device *wl, struct wl_request *req)
{
	unsigned long flags;

	if (!wait_for_completion_killable(&req->done))
		return req->error;
	spin_lock_irqsave(&wl->out_lock, flags);
	if (completion_done(&req->done)) {
		spin_unlock_irqrestore(&wl->out_lock, flags);
		return req->error;
	}
	req->abandoned = req->vfd;
	spin_unlock_irqrestore(&wl->out_lock, flags);
	return -EINTR;
}

/*
 * The device broke the rules of a queue, and the kernel uses that queue no more. So
 * nothing will be answered: the device is as good as gone, and nobody is to wait for it.
 * What is in the queue stays allocated until the reset, since the device may still write
 * there. Under out_lock.
 */
void wl_request_break(struct wl_device *wl)
{
	struct wl_request *req;

	lockdep_assert_held(&wl->out_lock);
	if (wl->gone)
		return;
	dev_err(&wl->dev, "the device broke a queue, and is not used any more\n");
	wl->gone = true;
	list_for_each_entry(req, &wl->flying, link) {
		req->error = -ENODEV;
		/* Its waiter, if it has one still, puts the vfd that was not made. */
		if (!req->closes && !req->abandoned)
			req->vfd = NULL;
		complete_all(&req->done);
	}
	/* Ends the vfds, which may sleep. */
	wl_schedule(wl, &wl->reap_work);
	wake_up_all(&wl->out_wait);
}

void wl_out_done(struct virtqueue *vq)
{
	struct wl_device *wl = vq->vdev->priv;
	unsigned long flags;

	spin_lock_irqsave(&wl->out_lock, flags);
	wl_out_turn(wl, true);
	spin_unlock_irqrestore(&wl->out_lock, flags);
}
